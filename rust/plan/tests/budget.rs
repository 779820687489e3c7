// SPDX-License-Identifier: GPL-2.0

//! Budgets against naive models: wider numbers, a list of reservations, others who interfere.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use std::num::NonZeroUsize;
use strata_plan::budget::{Admit, Attempt, Ledger, Limits, Next, Refused, Unbalanced, Update};

fn limits(soft: usize, hard: usize) -> Limits {
    Limits::new(soft, NonZeroUsize::new(hard)).unwrap()
}

/// Limits that exist, of numbers below `end`.
fn some_limits(end: usize) -> impl Strategy<Value = Limits> {
    (0..end, option::of(0..end)).prop_map(|(soft, more)| {
        let hard = more.and_then(|more| NonZeroUsize::new(soft + more));
        Limits::new(soft, hard).unwrap()
    })
}

/// Any number, those at the edges often.
fn any_number() -> impl Strategy<Value = usize> {
    prop_oneof![0usize..20, (usize::MAX - 20)..=usize::MAX, any::<usize>()]
}

/// A reservation of the naive model.
#[derive(Clone, Copy, Debug)]
struct Held {
    pages: usize,
    idle: bool,
}

/// Budget and naive model side by side.
struct Pool {
    limits: Limits,
    ledger: Ledger,
    held: Vec<Held>,
}

impl Pool {
    fn pinned(&self) -> usize {
        let pinned = self.held.iter().filter(|held| !held.idle);
        pinned.map(|held| held.pages).sum()
    }

    /// Frees idle reservations until `target` pages are free, `most` of them at most.
    fn evict(&mut self, target: usize, most: usize) -> usize {
        let mut freed = 0;
        for _ in 0..most {
            let Some(victim) = self.held.iter().position(|held| held.idle) else {
                break;
            };
            if freed >= target {
                break;
            }
            freed += self.give_back(victim);
        }
        freed
    }

    fn give_back(&mut self, index: usize) -> usize {
        let pages = self.held.swap_remove(index).pages;
        self.ledger.uncharge(pages).unwrap();
        pages
    }

    /// The loop that callers run. Tells whether the pages were admitted.
    fn reserve(&mut self, want: usize, most: usize) -> bool {
        let bound = self.ledger.used() + 1 + Attempt::STALLS as usize;
        let mut attempt = Attempt::new(want);
        for _ in 0..=bound {
            let used = self.ledger.used();
            match attempt.step(&self.limits, used) {
                Next::Charge(new_used) => {
                    self.ledger.charge(want).unwrap();
                    assert_eq!(self.ledger.used(), new_used);
                    return true;
                }
                Next::Evict(excess) => {
                    assert_ne!(excess, 0);
                    let freed = self.evict(excess, most);
                    attempt.evicted(used, freed);
                }
                Next::Refuse => return false,
            }
        }
        panic!("the loop does not end");
    }
}

#[derive(Clone, Debug)]
enum Op {
    Reserve { want: usize, most: usize },
    GiveBack(prop::sample::Index),
    MakeIdle(prop::sample::Index),
    Limit { update: Update, most: usize },
}

fn op() -> impl Strategy<Value = Op> {
    let update = (option::of(0usize..60), option::of(0usize..90));
    prop_oneof![
        4 => (0usize..30, 1usize..4).prop_map(|(want, most)| Op::Reserve { want, most }),
        1 => any::<prop::sample::Index>().prop_map(Op::GiveBack),
        3 => any::<prop::sample::Index>().prop_map(Op::MakeIdle),
        1 => (update, 1usize..4).prop_map(|((soft, hard), most)| {
            Op::Limit { update: Update { soft, hard }, most }
        }),
    ]
}

proptest! {
    #[test]
    fn limits_hold_against_wider_numbers(
        soft in any_number(),
        hard in any_number(),
        used in any_number(),
        want in any_number(),
    ) {
        let hard = NonZeroUsize::new(hard);
        let wide_hard = hard.map_or(u128::MAX, |hard| hard.get() as u128);
        let Ok(limits) = Limits::new(soft, hard) else {
            prop_assert!(wide_hard < soft as u128);
            return Ok(());
        };
        prop_assert!(wide_hard >= soft as u128);
        prop_assert_eq!((limits.soft(), limits.hard()), (soft, hard));

        let sum = used as u128 + want as u128;
        let naive = if sum > usize::MAX as u128 || want as u128 > wide_hard {
            Admit::Never
        } else if sum > wide_hard {
            Admit::Full { excess: (sum - wide_hard) as usize }
        } else if sum > soft as u128 {
            Admit::Over { new_used: sum as usize, excess: (sum - soft as u128) as usize }
        } else {
            Admit::Fits(sum as usize)
        };
        prop_assert_eq!(limits.admit(used, want), naive);
    }

    #[test]
    fn what_is_used_is_what_is_held(start in some_limits(60), ops in vec(op(), 1..80)) {
        let mut pool = Pool { limits: start, ledger: Ledger::new(), held: Vec::new() };
        let mut peak = 0;
        for op in ops {
            match op {
                Op::Reserve { want, most } => {
                    let hard = pool.limits.hard().map_or(usize::MAX, NonZeroUsize::get);
                    // Eviction until nothing moves lets in what can be let in.
                    let possible = pool.pinned() + want <= hard;
                    let admitted = pool.reserve(want, most);
                    prop_assert_eq!(admitted, possible);
                    if admitted {
                        prop_assert!(pool.ledger.used() <= hard);
                        let over = pool.ledger.used() > pool.limits.soft();
                        prop_assert!(!over || pool.held.iter().all(|held| !held.idle));
                        pool.held.push(Held { pages: want, idle: false });
                    }
                }
                Op::GiveBack(which) if !pool.held.is_empty() => {
                    pool.give_back(which.index(pool.held.len()));
                }
                Op::MakeIdle(which) if !pool.held.is_empty() => {
                    let index = which.index(pool.held.len());
                    pool.held[index].idle = true;
                    // An eviction that frees nothing has nothing left to evict.
                    if pool.held[index].pages == 0 {
                        pool.give_back(index);
                    }
                }
                Op::GiveBack(_) | Op::MakeIdle(_) => {}
                Op::Limit { update, most } => {
                    let soft = update.soft.unwrap_or(pool.limits.soft());
                    let old = pool.limits.hard().map_or(0, NonZeroUsize::get);
                    let hard = update.hard.unwrap_or(old);
                    let Ok(updated) = pool.limits.updated(update) else {
                        prop_assert!(hard != 0 && hard < soft);
                        continue;
                    };
                    prop_assert_eq!(updated, limits(soft, hard));
                    pool.limits = updated;
                    let within = pool.reserve(0, most);
                    prop_assert_eq!(within, hard == 0 || pool.pinned() <= hard);
                    let over = pool.ledger.used() > soft;
                    prop_assert!(!over || pool.held.iter().all(|held| !held.idle));
                }
            }
            let sum: usize = pool.held.iter().map(|held| held.pages).sum();
            prop_assert_eq!(pool.ledger.used(), sum);
            prop_assert!(pool.ledger.peak() >= peak.max(sum));
            peak = pool.ledger.peak();
        }
    }

    #[test]
    fn it_ends_whatever_others_do(
        want in 0usize..100,
        first in 0usize..200,
        others in vec((some_limits(150), 0usize..200, 0usize..5), 1..50),
    ) {
        let mut attempt = Attempt::new(want);
        let mut used = first;
        let mut passes = 0;
        for (limits, next_used, freed) in others.iter().cycle() {
            match attempt.step(limits, used) {
                Next::Evict(_) => {}
                Next::Charge(new_used) => {
                    prop_assert_eq!(new_used, used + want);
                    prop_assert!(limits.hard().is_none_or(|hard| new_used <= hard.get()));
                    break;
                }
                Next::Refuse => {
                    let hard = limits.hard().map_or(usize::MAX, NonZeroUsize::get);
                    prop_assert!(used + want > hard);
                    break;
                }
            }
            attempt.evicted(used, *freed);
            used = *next_used;
            passes += 1;
            prop_assert!(passes <= first + 1 + Attempt::STALLS as usize);
        }
    }

    #[test]
    fn a_ledger_is_a_sum(changes in vec((any::<bool>(), any_number()), 0..50)) {
        let mut ledger = Ledger::new();
        let (mut sum, mut peak) = (0i128, 0i128);
        for (take, pages) in changes {
            let before = ledger;
            let after = if take { sum + pages as i128 } else { sum - pages as i128 };
            let (done, error) = if take {
                (ledger.charge(pages), Unbalanced::Overflow)
            } else {
                (ledger.uncharge(pages), Unbalanced::Underflow)
            };
            if (0..=usize::MAX as i128).contains(&after) {
                prop_assert_eq!(done, Ok(()));
                sum = after;
                peak = peak.max(sum);
            } else {
                prop_assert_eq!(done, Err(error));
                prop_assert_eq!(ledger, before);
            }
            prop_assert_eq!((ledger.used() as i128, ledger.peak() as i128), (sum, peak));
        }
    }
}

#[test]
fn limits_may_be_equal_but_not_crossed() {
    assert_eq!(
        Limits::new(8, NonZeroUsize::new(7)),
        Err(Refused::HardBelowSoft)
    );
    assert_eq!(limits(8, 8).admit(0, 8), Admit::Fits(8));
    assert_eq!(limits(8, 8).admit(1, 8), Admit::Full { excess: 1 });
    assert_eq!(limits(8, 8).admit(0, 9), Admit::Never);
    assert_eq!(limits(usize::MAX, 0).hard(), None);
}

#[test]
fn a_soft_limit_of_nothing_evicts_always() {
    let limits = limits(0, 0);
    assert_eq!(limits.admit(0, 0), Admit::Fits(0));
    assert_eq!(
        limits.admit(0, 1),
        Admit::Over {
            new_used: 1,
            excess: 1
        }
    );
    assert_eq!(limits.admit(usize::MAX, 1), Admit::Never);
    assert_eq!(
        limits.admit(usize::MAX - 1, 1),
        Admit::Over {
            new_used: usize::MAX,
            excess: usize::MAX
        }
    );
}

#[test]
fn lowered_limits_ask_for_what_is_above() {
    let limits = limits(10, 20);
    assert_eq!(limits.admit(10, 0), Admit::Fits(10));
    assert_eq!(
        limits.admit(20, 0),
        Admit::Over {
            new_used: 20,
            excess: 10
        }
    );
    assert_eq!(limits.admit(50, 0), Admit::Full { excess: 30 });
    assert_eq!(Attempt::new(0).step(&limits, 50), Next::Evict(30));
}

#[test]
fn without_progress_only_the_hard_limit_refuses() {
    let limits = limits(10, 20);
    let mut attempt = Attempt::new(5);
    assert_eq!(attempt.step(&limits, 8), Next::Evict(3));
    attempt.evicted(8, 0);
    assert_eq!(attempt.step(&limits, 8), Next::Charge(13));
    assert_eq!(attempt.step(&limits, 15), Next::Charge(20));
    assert_eq!(attempt.step(&limits, 16), Next::Refuse);
    // Others may have given back.
    assert_eq!(attempt.step(&limits, 2), Next::Charge(7));
}

#[test]
fn what_never_fits_evicts_nothing() {
    assert_eq!(Attempt::new(21).step(&limits(10, 20), 0), Next::Refuse);
    assert_eq!(
        Attempt::new(2).step(&limits(10, 0), usize::MAX - 1),
        Next::Refuse
    );
}

#[test]
fn stalls_are_counted_and_progress_is_not() {
    let limits = limits(10, 20);
    let mut attempt = Attempt::new(10);
    for used in (100..1000).rev() {
        assert!(matches!(attempt.step(&limits, used), Next::Evict(_)));
        attempt.evicted(used, 1);
    }
    for _ in 0..Attempt::STALLS {
        assert_eq!(attempt.step(&limits, 100), Next::Evict(90));
        attempt.evicted(100, 1);
    }
    assert_eq!(attempt.step(&limits, 100), Next::Refuse);
}

#[test]
fn a_ledger_never_goes_below_nothing() {
    let mut ledger = Ledger::new();
    assert_eq!(ledger.uncharge(1), Err(Unbalanced::Underflow));
    assert_eq!(ledger.charge(usize::MAX), Ok(()));
    assert_eq!(ledger.charge(1), Err(Unbalanced::Overflow));
    assert_eq!(ledger.uncharge(usize::MAX), Ok(()));
    assert_eq!((ledger.used(), ledger.peak()), (0, usize::MAX));
}
