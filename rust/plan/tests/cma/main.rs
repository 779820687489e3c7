// SPDX-License-Identifier: GPL-2.0

//! Plans for CMA areas, in made-up areas.

mod alone;
mod callers;
mod cost;
mod descent;
mod measured;
mod page;
mod table;
mod world;
