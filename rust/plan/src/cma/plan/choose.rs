// SPDX-License-Identifier: GPL-2.0

//! What a plan does next: which run, or why none, and what comes after that.

use super::Planner;
use super::Stage;
use super::State;
use crate::cma::area::Area;
use crate::cma::cell::Cell;
use crate::cma::cell::Kind;
use crate::cma::cell::Tick;
use crate::cma::request::End;
use crate::cma::request::Mode;
use crate::cma::request::Step;
use crate::cma::run::Limit;
use crate::cma::run::Rule;
use crate::cma::run::Run;
use crate::cma::run::LEVELS;
use crate::cma::sweep::Sweep;
use core::ops::DerefMut;

/// The pauses of [`Mode::Hard`], in ns: 1 ms at first, each twice as long, 128 ms at most.
const PAUSES: (u64, u64) = (1_000_000, 128_000_000);

impl Planner {
    /// Chooses a run, or says why there is none. `None` if the state changed.
    pub(super) fn choose<C>(&mut self, area: &mut Area<C>, now: u64) -> Option<Step>
    where
        C: DerefMut<Target = [Cell]>,
    {
        let need = self.request.count.get() - self.report.got;
        let time = self.request.budget.most(now);
        let chunk = (self.ratio as u64) << area.unit();
        if need == 0 {
            self.state = State::Over(End::Complete);
            return None;
        }
        if area.model.estimate(chunk, 0) > time {
            self.state = State::Over(self.late(time));
            return None;
        }
        let share = self.share(area);
        if share == 0 {
            return self.wait(area, End::Share);
        }
        let chunks = match self.stage {
            Stage::Open | Stage::Slow => need.min(share),
            Stage::Probe | Stage::Pinned => 1,
        };
        let limit = Limit { chunks, time };
        let rule = self.rule(now);
        if let State::Confirmed(run) = core::mem::replace(&mut self.state, State::Choose) {
            if let Some(run) = self.sweep.again(area, &rule, &run.cells, &limit) {
                self.fly(area, run);
            }
            return None;
        }
        // One call is all that a probe is for.
        let probed = self.stage == Stage::Probe && self.drained;
        let run = match probed {
            true => None,
            false => self.sweep.next(area, &rule, &limit),
        };
        match run {
            Some(run) => self.state = State::Confirm(run),
            None => return self.exhausted(area, now, time),
        }
        None
    }

    /// A run is to be tried: nobody else plans it.
    fn fly<C>(&mut self, area: &mut Area<C>, run: Run)
    where
        C: DerefMut<Target = [Cell]>,
    {
        area.of_mut(run.cells.clone())
            .iter_mut()
            .for_each(|cell| cell.set(Kind::Flying, cell.moves()));
        if let Some(seat) = &self.seat {
            area.callers.take(seat, run.cells.len());
        }
        self.state = State::Flying(run);
    }

    /// All sweeps of a stage are done: what is next.
    fn exhausted<C>(&mut self, area: &mut Area<C>, now: u64, time: u64) -> Option<Step>
    where
        C: DerefMut<Target = [Cell]>,
    {
        if self.sweep.blocked && self.request.mode != Mode::Fast {
            self.sweep = Sweep::new();
            if core::mem::take(&mut self.resumed) {
                return None;
            }
            return self.wait(area, End::Exhausted);
        }
        self.dear |= self.sweep.dear;
        self.sweep = Sweep::new();
        let fresh = self.drained && !self.settled;
        self.state = match (self.request.mode, self.stage) {
            (Mode::Fast, _) => State::Over(self.why(time)),
            (_, Stage::Open) => self.turn(Stage::Slow),
            (_, Stage::Slow | Stage::Probe) if fresh => self.turn(Stage::Slow),
            (_, Stage::Slow) if !self.drained => {
                self.stage = Stage::Probe;
                State::Choose
            }
            (Mode::Normal, _) => State::Over(self.why(time)),
            (Mode::Hard, Stage::Slow | Stage::Probe) if self.round > 0 => {
                self.stage = Stage::Pinned;
                State::Choose
            }
            (Mode::Hard, _) if !self.possible(area, now) => State::Over(self.why(time)),
            (Mode::Hard, _) => State::Pause(now.saturating_add(self.pause())),
        };
        None
    }

    /// The area is read again, for another stage.
    fn turn(&mut self, stage: Stage) -> State {
        self.stage = stage;
        State::Survey
    }

    /// The next round.
    pub(super) fn again(&mut self, now: u64) -> State {
        self.round = self.round.saturating_add(1);
        self.began = Tick::at(now);
        self.full = false;
        self.turn(Stage::Slow)
    }

    /// How long the pause after this round is.
    fn pause(&self) -> u64 {
        let (first, most) = PAUSES;
        first
            .checked_shl(self.round.min(16))
            .map_or(most, |pause| pause.min(most))
    }

    /// Whether there is anything that could be got later.
    fn possible<C>(&self, area: &Area<C>, now: u64) -> bool
    where
        C: DerefMut<Target = [Cell]>,
    {
        let missed = area.missed(&self.rule(now));
        let all = missed.taken + missed.pinned + missed.resting + missed.slow;
        all + missed.movable + missed.free > self.report.got
    }

    /// Waits for the other callers, where the mode does.
    fn wait<C>(&mut self, area: &mut Area<C>, end: End) -> Option<Step>
    where
        C: DerefMut<Target = [Cell]>,
    {
        match (self.request.mode, &self.seat) {
            (Mode::Normal | Mode::Hard, Some(seat)) => {
                area.callers.wait(seat, true);
                Some(Step::Wait(self.request.budget.deadline))
            }
            (Mode::Fast, _) | (_, None) => {
                self.state = State::Over(end);
                None
            }
        }
    }

    /// How many chunks more it may take as one of several callers.
    fn share<C>(&self, area: &Area<C>) -> usize
    where
        C: DerefMut<Target = [Cell]>,
    {
        match &self.seat {
            Some(_) if area.callers.count() == 1 => usize::MAX,
            Some(seat) => area.callers.allowance(seat, area.open()) / self.ratio,
            None => 0,
        }
    }

    pub(super) fn rule(&self, now: u64) -> Rule {
        let still = self.full || self.request.mode == Mode::Fast;
        Rule {
            ratio: self.ratio,
            level: if still { 0 } else { LEVELS },
            slow: self.stage != Stage::Open,
            pinned: matches!(self.stage, Stage::Probe | Stage::Pinned),
            again: self.round > 0 && self.stage != Stage::Pinned,
            began: self.began,
            now: Tick::at(now),
        }
    }

    fn late(&self, time: u64) -> End {
        if time < self.request.budget.stall {
            End::Deadline
        } else {
            End::Stall
        }
    }

    fn why(&self, time: u64) -> End {
        match (self.full, self.dear) {
            (true, _) => End::NoMemory,
            (false, true) => self.late(time),
            (false, false) => End::Exhausted,
        }
    }
}
