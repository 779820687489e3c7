// SPDX-License-Identifier: GPL-2.0

//! The plan of one request: a state machine that says what to do next, and is told how it went.

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
use super::run::Limit;
use super::run::Rule;
use super::run::Run;
use super::run::LEVELS;
use super::share::Seat;
use super::sweep::Sweep;
use core::ops::DerefMut;

/// The pauses of [`Mode::Hard`], in ns: 1 ms at first, each twice as long, 128 ms at most.
const PAUSES: (u64, u64) = (1_000_000, 128_000_000);

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
            began,
            round: 0,
            drained: false,
            settled: false,
            full: false,
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
            self.sweep.pass(&run.cells);
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

    /// Chooses a run, or says why there is none. `None` if the state changed.
    fn choose<C>(&mut self, area: &mut Area<C>, now: u64) -> Option<Step>
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
            return self.wait(area, End::Exhausted);
        }
        let dear = self.sweep.dear;
        self.sweep = Sweep::new();
        let fresh = self.drained && !self.settled;
        self.state = match (self.request.mode, self.stage) {
            (Mode::Fast, _) => State::Over(self.why(dear, time)),
            (_, Stage::Open) => self.turn(Stage::Slow),
            (_, Stage::Slow | Stage::Probe) if fresh => self.turn(Stage::Slow),
            (_, Stage::Slow) if !self.drained => {
                self.stage = Stage::Probe;
                State::Choose
            }
            (Mode::Normal, _) => State::Over(self.why(dear, time)),
            (Mode::Hard, Stage::Slow | Stage::Probe) if self.round > 0 => {
                self.stage = Stage::Pinned;
                State::Choose
            }
            (Mode::Hard, _) if !self.possible(area, now) => State::Over(self.why(dear, time)),
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
    fn again(&mut self, now: u64) -> State {
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

    fn rule(&self, now: u64) -> Rule {
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

    fn why(&self, dear: bool, time: u64) -> End {
        match (self.full, dear) {
            (true, _) => End::NoMemory,
            (false, true) => self.late(time),
            (false, false) => End::Exhausted,
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
