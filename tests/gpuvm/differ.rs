// SPDX-License-Identifier: GPL-2.0

//! The same requests to `drm_gpuvm` and to ours, and the first difference.

use crate::{
    compared::{
        self,
        Compared, //
    },
    coverage::{
        Coverage,
        Tally, //
    },
    fault::Fault,
    oracle::Oracle,
    regime::{
        Generator,
        Regime, //
    },
    space::{
        Answer,
        Batch,
        Buffer,
        Piece,
        Space, //
    },
};
use kernel::prelude::*;
use strata::prelude::*;

/// The name of what we are compared with.
const THEIRS: &str = "drm_gpuvm";

/// How many batches are prepared and not yet committed.
const AHEAD: usize = 7;

/// What is run.
pub(crate) struct Run {
    pub(crate) regime: &'static Regime,
    pub(crate) seed: u64,
    /// How many are to be accepted: it goes on until then.
    pub(crate) requests: u64,
    pub(crate) fault: Option<Fault>,
}

/// The address spaces of a run.
struct Test<'a> {
    run: &'a Run,
    oracle: Oracle,
    answer: Answer,
    pieces: Buffer<Piece>,
    ours: [Compared; compared::COUNT],
    tally: Tally,
    /// The request that it is at.
    number: u64,
}

impl Run {
    /// Runs all of it.
    ///
    /// # Context
    ///
    /// Process context. Takes as long as it does.
    ///
    /// # Errors
    ///
    /// `EIO` at the first difference. Any other means that it could not be run. Which of them is in
    /// the kernel's log.
    pub(crate) fn run(&self, cx: &mut Cx<'_, Process>, coverage: &Coverage) -> Result {
        let (name, seed) = (self.regime.name, self.seed);
        let mut test = Test::new(cx, self)?;
        let result = test.run(cx);
        let number = test.number;
        match result {
            Err(EIO) => (),
            Err(error) => pr_err!("{name}: seed {seed:#x}: request {number}: {error:?}\n"),
            Ok(()) => {
                let Tally {
                    accepted,
                    operations,
                    most,
                    ..
                } = test.tally;
                coverage.add(&test.tally);
                pr_info!(
                    "{name}: seed {seed:#x}: {number} requests, {accepted} accepted, {operations} operations, \
                     at most {most} mappings\n"
                );
            }
        }
        result
    }
}

impl<'a> Test<'a> {
    fn new(cx: &mut Cx<'_, Process>, run: &'a Run) -> Result<Self> {
        let regime = run.regime;
        Ok(Self {
            run,
            oracle: Oracle::new(cx, regime.space, regime.kernel)?,
            answer: Answer::new(regime.capacity)?,
            pieces: Buffer::new(regime.capacity)?,
            ours: Compared::all(cx, regime)?,
            tally: Tally::new(),
            number: 0,
        })
    }

    fn run(&mut self, cx: &mut Cx<'_, Process>) -> Result {
        let regime = self.run.regime;
        let mut generator = Generator::new(regime, self.run.seed);
        let mut ahead = [Batch::default(); AHEAD];
        for batch in &mut ahead {
            *batch = self.prepared(cx, generator.batch())?;
        }
        let mut looked = 0;
        for turn in 0.. {
            if self.tally.accepted >= self.run.requests {
                break;
            }
            self.step(cx, &ahead[turn % AHEAD])?;
            ahead[turn % AHEAD] = self.prepared(cx, generator.batch())?;
            if self.number - looked >= regime.look {
                looked = self.number;
                self.look(cx)?;
            }
        }
        self.look(cx)
        // What was prepared last is never committed.
    }

    fn prepared(&mut self, cx: &mut Cx<'_, Process>, batch: Batch) -> Result<Batch> {
        for one in &mut self.ours {
            one.space.prepare(cx, &batch)?;
        }
        Ok(batch)
    }

    /// Commits a batch everywhere, and compares what is told.
    fn step(&mut self, cx: &mut Cx<'_, Process>, batch: &Batch) -> Result {
        let (regime, fault) = (self.run.regime, self.fault());
        self.oracle.commit(cx, batch, &mut self.answer)?;
        self.tally.add(regime, batch, &self.answer);
        if let Some(fault) = fault {
            fault.inject(&mut self.answer);
        }
        let mut same = true;
        for one in &mut self.ours {
            one.space.commit(cx, batch, &mut one.answer)?;
            if let Some(at) = compared::other_op(regime, &self.answer, &one.answer) {
                self.run.tell(self.number, one.name);
                self.run.tell_batch(batch);
                self.run.tell_op(THEIRS, &self.answer, at);
                self.run.tell_op(one.name, &one.answer, at);
                same = false;
            }
        }
        self.number += batch.len() as u64;
        same.then_some(()).ok_or(EIO)
    }

    /// Compares all mappings.
    fn look(&mut self, cx: &mut Cx<'_, Process>) -> Result {
        self.oracle.list(cx, &mut self.pieces)?;
        if let Some(fault) = self.fault() {
            fault.inject_state(self.pieces.as_mut_slice());
        }
        let theirs = self.pieces.as_slice();
        self.tally.most = self.tally.most.max(theirs.len());
        let mut same = true;
        for one in &mut self.ours {
            one.space.list(cx, &mut one.pieces)?;
            let ours = one.pieces.as_slice();
            if let Some(at) = compared::other_piece(self.run.regime, theirs, ours) {
                self.run.tell(self.number, one.name);
                self.run.tell_piece(THEIRS, theirs, at);
                self.run.tell_piece(one.name, ours, at);
                same = false;
            }
        }
        same.then_some(()).ok_or(EIO)
    }

    /// What to do wrong, from the middle of the run on.
    fn fault(&self) -> Option<Fault> {
        self.run
            .fault
            .filter(|_| self.tally.accepted >= self.run.requests / 2)
    }
}

/// What a person is told of a difference.
impl Run {
    fn tell(&self, number: u64, ours: &str) {
        let (name, seed) = (self.regime.name, self.seed);
        pr_err!("{name}: seed {seed:#x}: request {number} differs, {ours} is not {THEIRS}\n");
    }

    fn tell_batch(&self, batch: &Batch) {
        let name = self.regime.name;
        for (index, request) in batch.iter() {
            pr_err!("{name}:   request {index} of these: {request:x?}\n");
        }
    }

    fn tell_op(&self, who: &str, answer: &Answer, at: usize) {
        let (name, refused) = (self.regime.name, answer.refused);
        let ops = answer.ops.as_slice();
        let (count, op) = (ops.len(), ops.get(at));
        pr_err!("{name}:   {who}: refused {refused:#b}, operation {at} of {count}: {op:x?}\n");
    }

    fn tell_piece(&self, who: &str, pieces: &[Piece], at: usize) {
        let (name, piece) = (self.regime.name, pieces.get(at));
        pr_err!("{name}:   {who}: mapping {at}: {piece:x?}\n");
    }
}
