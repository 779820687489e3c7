// SPDX-License-Identifier: GPL-2.0

//! A token is put where every task finds it.

use kernel::sync::SetOnce;
use strata::prelude::*;

static AT_LOAD: SetOnce<Cx<'static, Process>> = SetOnce::new();
//~^ ERROR E0277: `*mut ()` cannot be shared between threads safely
//~| ERROR E0277: `*mut ()` cannot be sent between threads safely
