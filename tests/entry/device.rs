// SPDX-License-Identifier: GPL-2.0

//! `/dev/strata-entry`: opening, releasing, ioctls and mapping, each with its token.

use crate::{
    exercise::Exercise,
    tokens::At,
    Entries, //
};
use kernel::{
    ioctl::{
        _IO,
        _IOWR, //
    },
    prelude::*,
    sync::{
        Arc,
        ArcBorrow, //
    },
};
use strata::{
    cx::MmapHeld,
    dev::{
        misc::{
            self,
            Mapping, //
        },
        user::UserRange, //
    },
    page::Pages,
    prelude::*,
};

const TYPE: u32 = 0xbf;

/// Runs all steps.
pub(crate) const EXERCISE: u32 = _IO(TYPE, 0);

/// Adds one to a `__u64`.
pub(crate) const ECHO: u32 = _IOWR::<u64>(TYPE, 1);

/// The operations of `/dev/strata-entry`.
pub(crate) struct EntryDevice;

/// One open file: a page to map.
pub(crate) struct Opened {
    page: Pages,
    exercise: Arc<Exercise>,
}

#[vtable]
impl misc::Device for EntryDevice {
    type Owner = Entries;
    type Shared = Exercise;
    type File = KBox<Opened>;

    fn open(cx: &mut Cx<'_, Process>, shared: ArcBorrow<'_, Exercise>) -> Result<Self::File> {
        let exercise: Arc<Exercise> = shared.into();
        exercise.run(cx, At::Open);
        let page = Pages::new(cx, 1)?;
        Ok(cx.alloc(Opened { page, exercise })?)
    }

    fn release(cx: &mut Cx<'_, Process>, file: Self::File) {
        file.exercise.run(cx, At::Release);
    }

    fn ioctl(cx: &mut Cx<'_, Process>, file: &Opened, command: u32, arg: UserRange) -> Result {
        match command {
            EXERCISE => {
                file.exercise.run(cx, At::Ioctl);
                Ok(())
            }
            ECHO => {
                let value: u64 = arg.read(cx)?;
                arg.write(cx, &value.wrapping_add(1))
            }
            _ => Err(ENOTTY),
        }
    }

    fn mmap(cx: &mut Cx<'_, MmapHeld>, file: &Opened, mapping: &Mapping<'_>) -> Result {
        file.exercise.run_mapping(cx)?;
        file.page.map(cx, mapping)
    }
}
