// SPDX-License-Identifier: GPL-2.0

//! The file `control`: commands that user space writes, one in each call.
//!
//! | command | does |
//! |---|---|
//! | `exercise` | runs all steps |
//! | `work MS` | queues a work item that runs all steps and then sleeps |
//! | `flush` | waits until all items have run, and for a grace period |
//! | `drop` | removes the file `victim`, whoever has it open |
//! | `make` | makes it again |

use crate::{
    exercise::Exercise,
    tokens::At,
    Entries, //
};
use kernel::{
    prelude::*,
    seq_file::SeqFile,
    seq_print,
    sync::Arc,
    time::{
        delay::fsleep,
        Delta, //
    },
};
use strata::{
    dev::{
        debugfs::{
            self,
            Dir, //
        },
        user::UserRange,
        work, //
    },
    lock_class,
    prelude::*,
    sync::{
        self,
        Mutex, //
    },
};

strata::ranks! {
    after Process:
    /// The entry of the file `victim`.
    pub(crate) Slot,
}

/// The longest that an item may be asked to sleep.
const LONGEST_MS: i64 = 10_000;

/// How long reading the victim takes.
const READING_MS: i64 = 100;

/// What the file `control` works on.
#[pin_data]
pub(crate) struct Control {
    #[pin]
    victim: Mutex<Option<debugfs::Entry<Victim>>, Slot>,
    dir: Arc<Dir>,
    exercise: Arc<Exercise>,
}

impl Control {
    pub(crate) fn new(
        cx: &mut Cx<'_, Process>,
        exercise: Arc<Exercise>,
        dir: Arc<Dir>,
    ) -> Result<impl PinInit<Self, Error>> {
        let victim = Victim::entry(cx, dir.clone())?;
        let victim = Mutex::new(cx, lock_class!(Slot, "victim"), Some(victim));
        Ok(try_pin_init!(Self {
            victim <- victim,
            dir,
            exercise,
        }))
    }

    fn command(&self, cx: &mut Cx<'_, Process>, command: &str) -> Result {
        match command.split_once(' ') {
            Some(("work", milliseconds)) => self.work(cx, milliseconds),
            Some(_) => Err(EINVAL),
            None => match command {
                "exercise" => {
                    self.exercise.run(cx, At::Write);
                    Ok(())
                }
                "flush" => {
                    sync::synchronize_rcu(cx);
                    work::flush(cx);
                    Ok(())
                }
                "drop" => self.drop_victim(cx),
                "make" => self.make_victim(cx),
                _ => Err(EINVAL),
            },
        }
    }

    fn work(&self, cx: &mut Cx<'_, Process>, milliseconds: &str) -> Result {
        let sleep: i64 = milliseconds.parse().map_err(|_| EINVAL)?;
        if !(0..=LONGEST_MS).contains(&sleep) {
            return Err(EINVAL);
        }
        let item = work::Prepared::new(
            cx,
            Job {
                exercise: self.exercise.clone(),
                sleep: Delta::from_millis(sleep),
            },
        )?;
        // The memory was taken above: an item may be queued anywhere.
        cx.signalling(|cx| cx.atomic(|cx| item.queue(cx)));
        Ok(())
    }

    fn drop_victim(&self, cx: &mut Cx<'_, Process>) -> Result {
        let victim = self.victim.lock(cx, |slot, _| slot.take());
        // Waits for its readers: dropped without the lock.
        victim.map(drop).ok_or(ENOENT)
    }

    fn make_victim(&self, cx: &mut Cx<'_, Process>) -> Result {
        if self.victim.lock(cx, |slot, _| slot.is_some()) {
            return Err(EEXIST);
        }
        let victim = Victim::entry(cx, self.dir.clone())?;
        let raced = self.victim.lock(cx, |slot, _| slot.replace(victim));
        drop(raced);
        Ok(())
    }
}

#[vtable]
impl debugfs::File for Control {
    type Owner = Entries;

    fn show(&self, cx: &mut Cx<'_, Process>, out: &SeqFile) -> Result {
        let there = self.victim.lock(cx, |slot, _| slot.is_some());
        seq_print!(out, "victim {}\n", u8::from(there));
        Ok(())
    }

    fn write(&self, cx: &mut Cx<'_, Process>, input: UserRange) -> Result {
        let mut buffer = [0; 32];
        if input.len() > buffer.len() {
            return Err(EINVAL);
        }
        let bytes = input.read_bytes(cx, &mut buffer)?;
        let text = core::str::from_utf8(bytes).map_err(|_| EINVAL)?;
        self.command(cx, text.trim_ascii())
    }
}

/// The file `victim`.
pub(crate) struct Victim {
    /// What a reader must see until the end, and the memory's next user would not leave there.
    text: &'static str,
}

impl Victim {
    fn entry(cx: &mut Cx<'_, Process>, dir: Arc<Dir>) -> Result<debugfs::Entry<Self>> {
        let victim = gfp::kernel(cx).arc(Self { text: "alive" })?;
        Ok(debugfs::Entry::new(cx, dir, c"victim", victim))
    }
}

#[vtable]
impl debugfs::File for Victim {
    type Owner = Entries;

    fn show(&self, _cx: &mut Cx<'_, Process>, out: &SeqFile) -> Result {
        fsleep(Delta::from_millis(READING_MS));
        seq_print!(out, "{}\n", self.text);
        Ok(())
    }
}

/// A work item that takes its time.
struct Job {
    exercise: Arc<Exercise>,
    sleep: Delta,
}

impl work::Item for Job {
    type Owner = Entries;

    fn run(self, cx: &mut Cx<'_, Process>) {
        self.exercise.run(cx, At::Work);
        fsleep(self.sleep);
    }
}
