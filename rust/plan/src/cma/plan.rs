// SPDX-License-Identifier: GPL-2.0

//! The plan of one request: a state machine that says what to do next, and is told how it went.

mod choose;

use super::area::Area;
use super::area::Refused;
use super::cell::Cell;
use super::cell::Kind;
use super::cell::Tick;
use super::page::Reading;
use super::request::End;
use super::request::Mode;
use super::request::Outcome;
use super::request::Report;
use super::request::Request;
use super::request::Step;
use super::request::Try;
use super::run::Run;
use super::share::Seat;
use super::sweep::Sweep;
use core::ops::DerefMut;

/// What may be in a run by now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// What is free or looks as if it can be moved.
    Open,
    /// And what has to be waited for.
    Slow,
    /// One chunk that looks pinned: any call drains the lists whose pages only look so.
    Probe,
    /// All that looks pinned, each chunk alone.
    Pinned,
}

/// What the planner waits for.
#[derive(Clone, Debug)]
enum State {
    /// All of the area is to be read.
    Survey,
    /// A run was chosen, and is to be read again before it is paid for.
    Confirm(Run),
    /// It was read.
    Confirmed(Run),
    /// A run failed, and is to be read again to see why.
    Judge(Run),
    /// A run is being tried.
    Flying(Run),
    /// A run is to be chosen.
    Choose,
    /// Nothing is left but to try again later.
    Pause(u64),
    Over(End),
}

/// The way to the chunks that one request asks for.
///
/// Each of its calls takes the area, which is locked for it, and the time on a clock that never
/// goes back. What [`Planner::next`] says is done, and it is asked again, until it says
/// [`Step::Done`]; only then is the caller's place in the area free again.
#[derive(Debug)]
#[must_use = "it has a place among the callers of the area until it is done"]
pub struct Planner {
    request: Request,
    ratio: usize,
    seat: Option<Seat>,
    state: State,
    stage: Stage,
    sweep: Sweep,
    /// The sweeps began before this step: what was in their way may no longer be.
    resumed: bool,
    /// When this round began.
    began: Tick,
    /// Which round it is: after the first, what failed long ago is tried too.
    round: u32,
    /// A call was made, so that what is read now is true of the lists of the LRU.
    drained: bool,
    /// What was read last was read after a call.
    settled: bool,
    /// There is nowhere to move pages to.
    full: bool,
    /// Something would have taken too long, since the area was read.
    dear: bool,
    report: Report,
}

impl Planner {
    /// Begins a plan. The order must not be below the area's unit.
    pub fn begin<C>(area: &mut Area<C>, request: Request, now: u64) -> Result<Self, Refused>
    where
        C: DerefMut<Target = [Cell]>,
    {
        let ratio = area.ratio(request.order).ok_or(Refused::Unit)?;
        let began = Tick::at(now);
        if area.callers.count() == 0 {
            area.fade(began);
        }
        let wants = request.count.get().saturating_mul(ratio);
        let seat = area.callers.join(wants).ok_or(Refused::Callers)?;
        area.model.relax();
        Ok(Self {
            request,
            ratio,
            seat: Some(seat),
            state: State::Survey,
            stage: Stage::Open,
            sweep: Sweep::new(),
            resumed: false,
            began,
            round: 0,
            drained: false,
            settled: false,
            full: false,
            dear: false,
            report: Report {
                got: 0,
                end: End::Exhausted,
                missed: Default::default(),
                tries: 0,
                wasted: 0,
                moved: 0,
                stall: 0,
            },
        })
    }

    /// What to do next. Asked twice, it says the same twice.
    pub fn next<C>(&mut self, area: &mut Area<C>, now: u64) -> Step
    where
        C: DerefMut<Target = [Cell]>,
    {
        if let Some(seat) = &self.seat {
            area.callers.wait(seat, false);
        }
        self.resumed = true;
        loop {
            match &self.state {
                State::Survey => return Step::Scan(area.pages(&(0..area.cells().len()))),
                State::Confirm(run) | State::Judge(run) => {
                    return Step::Scan(area.pages(&run.cells));
                }
                State::Flying(run) => {
                    return Step::Try(Try {
                        pages: area.pages(&run.cells),
                        moves: self.request.mode != Mode::Fast,
                    });
                }
                State::Pause(until) if now < *until && now < self.request.budget.deadline => {
                    return Step::Wait((*until).min(self.request.budget.deadline));
                }
                State::Pause(_) => self.state = self.again(now),
                State::Over(end) => return Step::Done(self.close(area, *end, now)),
                State::Choose | State::Confirmed(_) => {
                    if let Some(step) = self.choose(area, now) {
                        return step;
                    }
                }
            }
        }
    }

    /// Reads what [`Step::Scan`] named: `page` tells of a page frame what its page is now.
    ///
    /// It is told of no page outside of that, and of none that a caller of this area has.
    pub fn scan<C, F>(&mut self, area: &mut Area<C>, now: u64, page: F)
    where
        C: DerefMut<Target = [Cell]>,
        F: FnMut(u64) -> Reading,
    {
        match core::mem::replace(&mut self.state, State::Choose) {
            State::Survey => {
                area.read(0..area.cells().len(), page);
                self.settled = self.drained;
                self.dear = false;
                self.sweep = Sweep::new();
            }
            State::Confirm(run) => {
                area.read(run.cells.clone(), page);
                self.state = State::Confirmed(run);
            }
            State::Judge(run) => {
                area.read(run.cells.clone(), page);
                area.judge(&run, self.ratio, Tick::at(now));
                self.sweep.back(&run.cells);
            }
            state => self.state = state,
        }
    }

    /// How the call went that [`Step::Try`] asked for, and how long it took, in ns.
    pub fn report<C>(&mut self, area: &mut Area<C>, outcome: Outcome, elapsed: u64)
    where
        C: DerefMut<Target = [Cell]>,
    {
        let State::Flying(run) = &self.state else {
            return;
        };
        let run = run.clone();
        let pages = area.pages(&run.cells).count();
        area.callers.wake();
        self.drained = true;
        self.report.stall = self.report.stall.max(elapsed);
        self.report.tries += 1;
        if outcome == Outcome::Got {
            area.model.learn(pages, run.moves, elapsed);
            self.report.got += run.cells.len() / self.ratio;
            self.report.moved = self.report.moved.saturating_add(run.moves);
            area.of_mut(run.cells.clone())
                .iter_mut()
                .for_each(|cell| cell.renew(Kind::Taken));
            self.state = State::Choose;
            return;
        }
        area.model.learn_failed(pages, run.moves, elapsed);
        self.report.wasted += 1;
        area.of_mut(run.cells.clone())
            .iter_mut()
            .for_each(|cell| cell.set(Kind::Unread, 0));
        if let Some(seat) = &self.seat {
            area.callers.give(seat, run.cells.len());
        }
        self.full |= outcome == Outcome::NoMemory && run.moves > 0;
        self.state = match outcome {
            Outcome::Got | Outcome::Busy => State::Judge(run),
            // With nowhere to move to, it is no fault of the run. It is read, and may be cut.
            Outcome::NoMemory if run.moves > 0 => State::Confirm(run),
            Outcome::NoMemory => State::Judge(run),
            Outcome::Interrupted => State::Over(End::Interrupted),
            Outcome::Refused => State::Over(End::Refused),
        };
    }

    /// Ends the plan, unless a call is under way: [`Planner::next`] then says [`Step::Done`].
    pub fn stop(&mut self) {
        match self.state {
            State::Flying(_) | State::Over(_) => {}
            _ => self.state = State::Over(End::Interrupted),
        }
    }

    /// The caller's place is free again.
    fn close<C>(&mut self, area: &mut Area<C>, end: End, now: u64) -> Report
    where
        C: DerefMut<Target = [Cell]>,
    {
        if let Some(seat) = self.seat.take() {
            area.callers.leave(seat);
            let mut missed = area.missed(&self.rule(now));
            missed.taken = missed.taken.saturating_sub(self.report.got);
            self.report.missed = missed;
            self.report.end = end;
        }
        self.report
    }
}
