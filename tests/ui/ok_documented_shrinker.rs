// SPDX-License-Identifier: GPL-2.0

//! /dev/jotter keeps a note for each open file, and forgets the oldest ones when memory is short: the
//! driver of Documentation/shrinker.rst.

use kernel::{
    bindings::ENODATA,
    ioctl::{
        _IOR,
        _IOW, //
    },
    prelude::*,
    sync::{
        aref::ARef,
        Arc,
        ArcBorrow, //
    },
};
use strata::{
    cx::Reclaim,
    dev::{
        debugfs,
        misc,
        user::UserRange, //
    },
    limit::{
        Budget,
        LimitFile,
        Reservation, //
    },
    lock_class,
    lru::{
        self,
        Cache,
        Object,
        Verdict, //
    },
    plan::budget::Limits,
    prelude::*,
    shrinker::{
        Count,
        CountControl,
        Phases,
        Prepared,
        Registration,
        Round,
        Scan,
        ScanControl,
        Shrinker,
        Trigger, //
    },
};

module! {
    type: Module,
    name: "jotter",
    authors: ["You"],
    description: "Keeps a note for each open file, while there is memory",
    license: "GPL",
}

strata::module_entry!(Module);

strata::ranks! {
    after NoIo:
    /// The contents of one note. The shrinker takes it.
    Contents,
}

strata::lru_lists! {
    /// Where a note stands while it has contents.
    enum List {
        Written,
    }
}

/// A note: an object of the cache, with nothing of its own that is not under its lock.
struct Note;

impl lru::Item for Note {
    type Rank = Contents;
    type List = List;
    type State = Option<Text>;
}

/// What is written on a note, and the page that it was reserved.
struct Text {
    bytes: KBox<[u8; 256]>,
    _reservation: Reservation,
}

/// What all open files share.
struct Jotter {
    notes: Arc<Cache<Note>>,
    budget: Arc<Budget>,
}

impl Jotter {
    fn new(cx: &mut Cx<'_, Process>, shrinker: &Prepared, limits: Limits) -> Result<Arc<Self>> {
        let notes = Cache::new(cx, shrinker, c"jotter_note", lock_class!(Contents, "note"))?;
        let jotter = Self {
            notes: gfp::kernel(cx).arc(notes)?,
            budget: Budget::new(cx, limits)?,
        };
        Ok(gfp::kernel(cx).arc(jotter)?)
    }

    /// The reservation first, then the memory, then the lock, and what was there before last.
    fn write(&self, cx: &mut Cx<'_, Process>, note: &Object<Note>, arg: UserRange) -> Result {
        let reservation = self.budget.reserve(cx, 1, self)?;
        let bytes: [u8; 256] = arg.read(cx)?;
        let text = Text {
            bytes: gfp::kernel(cx).boxed(bytes)?,
            _reservation: reservation,
        };
        let old = note.lock(cx, |note, _| {
            note.put_on(List::Written, 1);
            note.replace(text)
        });
        drop(old);
        Ok(())
    }

    /// A note that is read is the youngest again.
    fn read(&self, cx: &mut Cx<'_, Process>, note: &Object<Note>, arg: UserRange) -> Result {
        let bytes = note.lock(cx, |note, _| {
            let bytes = note.as_ref().map(|text| *text.bytes)?;
            note.put_on(List::Written, 1);
            Some(bytes)
        });
        let forgotten = Error::from_errno(-(ENODATA as i32));
        arg.write(cx, &bytes.ok_or(forgotten)?)
    }
}

impl Shrinker for Jotter {
    type Owner = Module;

    fn count(&self, _cx: &mut Cx<'_, Reclaim>, control: &CountControl<'_>) -> Count {
        self.notes.count(control, &[List::Written])
    }

    fn scan(
        &self,
        cx: &mut Cx<'_, Reclaim>,
        control: &mut ScanControl<'_>,
        round: &mut Round<'_>,
    ) -> Scan {
        let wait = match round {
            Round::Idle => None,
            Round::Active(wait) => Some(wait),
            Round::Purge(_) | Round::WriteBack(_) => return Scan::Stop,
        };
        let freed = self
            .notes
            .walk(cx, control, List::Written, wait, |note, _| {
                **note = None;
                Verdict::Evicted
            });
        Scan::Freed(freed)
    }
}

#[vtable]
impl Phases for Jotter {}

/// The module. Fields are dropped in their order: what user space reaches goes first, then what
/// reclaim reaches.
#[pin_data]
struct Module {
    #[pin]
    device: misc::Registration<Device>,
    limit: debugfs::Entry<LimitFile<Jotter, Module>>,
    trigger: Trigger<Jotter>,
    shrinker: Registration<Jotter>,
}

impl strata::dev::Module for Module {
    fn init(cx: &mut Cx<'_, Process>) -> Result<impl PinInit<Self, Error>> {
        let limits = Limits::new(1000, None).map_err(|_| EINVAL)?;
        let prepared = Prepared::new(cx, c"jotter")?;
        let jotter = Jotter::new(cx, &prepared, limits)?;
        let shrinker = prepared.register(cx, jotter.clone());

        let dir = debugfs::Dir::new(cx, c"jotter");
        let dir = gfp::kernel(cx).arc(dir)?;
        let trigger = Trigger::new(cx, &dir, &jotter)?;
        let limit = LimitFile::new(jotter.budget.clone(), jotter.clone());
        let limit = gfp::kernel(cx).arc(limit)?;
        let limit = debugfs::Entry::new(cx, dir, c"limit", limit);

        let device = misc::Registration::new(cx, c"jotter", jotter);
        Ok(try_pin_init!(Self {
            device <- device,
            limit,
            trigger,
            shrinker,
        }))
    }
}

/// An open file: its note, and what it shares with the others.
struct File {
    note: ARef<Object<Note>>,
    jotter: Arc<Jotter>,
}

/// The operations of /dev/jotter.
struct Device;

#[vtable]
impl misc::Device for Device {
    type Owner = Module;
    type Shared = Jotter;
    type File = KBox<File>;

    fn open(cx: &mut Cx<'_, Process>, jotter: ArcBorrow<'_, Jotter>) -> Result<Self::File> {
        let file = File {
            note: jotter.notes.object(cx, Note, None)?,
            jotter: jotter.into(),
        };
        Ok(gfp::kernel(cx).boxed(file)?)
    }

    fn ioctl(cx: &mut Cx<'_, Process>, file: &File, command: u32, arg: UserRange) -> Result {
        const WRITE: u32 = _IOW::<[u8; 256]>(b'j' as u32, 0);
        const READ: u32 = _IOR::<[u8; 256]>(b'j' as u32, 1);

        match command {
            WRITE => file.jotter.write(cx, &file.note, arg),
            READ => file.jotter.read(cx, &file.note, arg),
            _ => Err(ENOTTY),
        }
    }
}
