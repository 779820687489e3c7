// SPDX-License-Identifier: GPL-2.0

//! `short reserves`: values for which there is memory while every allocation fails, in any class.
//!
//! A reserve has as many elements as it was made with, and no more; who may wait gets the one that
//! another thread gives back.

use super::{
    add,
    inject::{
        self,
        Failing, //
    },
    Counts,
    Fire, //
};
use kernel::{
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    },
    time::{
        delay::fsleep,
        Delta, //
    },
};
use strata::{
    dev::work,
    gfp::NoMemory,
    prelude::*,
    reserve::{
        Reserve,
        Reserved, //
    },
};

/// Elements of the largest reserve.
const MOST: usize = 8;

/// Counts how many of it there are.
struct Token(Arc<Atomic<i64>>);

impl Token {
    fn new(alive: &Arc<Atomic<i64>>) -> Self {
        alive.add(1, Relaxed);
        Self(alive.clone())
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        self.0.add(-1, Relaxed);
    }
}

type Elements = KVec<Reserved<Token>>;

/// A worker's: gives an element back, later than now.
struct Return(Reserved<Token>);

impl work::Item for Return {
    type Owner = Fire;

    fn run(self, _cx: &mut Cx<'_, Process>) {
        // It shall find who waits, and need not.
        fsleep(Delta::from_millis(1));
        drop(self.0);
    }
}

/// Takes all that there is, and is refused one more: by each of the calls that do not wait.
fn exhausted(
    cx: &mut Cx<'_, Process>,
    counts: &Counts,
    reserve: &Reserve<Token>,
    alive: &Arc<Atomic<i64>>,
) -> Result<Elements> {
    let size = reserve.left();
    let mut taken = gfp::kernel(cx).vec(size)?;
    let _failing = Failing::begin();
    for number in 0..size {
        let value = Token::new(alive);
        let one = match number % 4 {
            0 => reserve.take(&mut gfp::kernel(cx), value),
            1 => cx.signalling(|cx| reserve.try_take(&mut gfp::nowait(cx), value))?,
            2 => reserve.try_take(&mut gfp::noio(cx), value)?,
            _ => reserve.preallocated(value)?,
        };
        ensure!(taken.push_within_capacity(one).is_ok(), "no room\n");
        add(&counts.kept, 1);
    }
    ensure!(reserve.left() == 0, "{} are left\n", reserve.left());
    let refused = reserve.try_take(&mut gfp::nowait(cx), Token::new(alive));
    let Err(NoMemory { value }) = refused else {
        ensure!(false, "an allocation did not fail\n");
        return Err(EINVAL);
    };
    ensure!(reserve.preallocated(value).is_err(), "there is one more\n");
    Ok(taken)
}

/// Waits for an element that a worker has.
fn returned(
    cx: &mut Cx<'_, Process>,
    counts: &Counts,
    reserve: &Reserve<Token>,
    one: Reserved<Token>,
) -> Result<Reserved<Token>> {
    let value = Token::new(&one.0);
    let item = work::Prepared::new(cx, Return(one))?;
    let _failing = Failing::begin();
    item.queue(cx);
    let got = reserve.take(&mut gfp::kernel(cx), value);
    ensure!(reserve.left() == 0, "it came from elsewhere\n");
    add(&counts.returned, 1);
    Ok(got)
}

/// Goes through so many reserves.
pub(crate) fn run(cx: &mut Cx<'_, Process>, counts: &Counts, count: usize) -> Result {
    let alive = gfp::kernel(cx).arc(Atomic::new(0))?;
    for number in 0..count {
        let size = number % MOST + 1;
        let reserve = Reserve::new(&mut gfp::kernel(cx), size)?;
        let mut taken = exhausted(cx, counts, &reserve, &alive)?;
        if let Some(one) = taken.pop() {
            let again = returned(cx, counts, &reserve, one)?;
            // Half of them outlive their reserve.
            let early = (number % 2 == 0).then_some(reserve);
            work::flush(cx);
            let left = alive.load(Relaxed);
            ensure!(left == size as i64, "{left} of {size} values are there\n");
            drop((taken, again));
            if let Some(reserve) = early {
                ensure!(reserve.left() == size, "{} came back\n", reserve.left());
            }
        }
        let left = alive.load(Relaxed);
        ensure!(left == 0, "{left} values leaked\n");
        inject::breathe();
    }
    Ok(())
}
