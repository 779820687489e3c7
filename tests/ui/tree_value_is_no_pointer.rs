// SPDX-License-Identifier: GPL-2.0

//! A slot of a tree is one pointer, which owns what it points to.

use kernel::prelude::*;
use strata::maple::MapleTree;

struct Numbers(MapleTree<u64>);
//~^ ERROR E0277: `u64` cannot stand in a slot of a tree
//~| NOTE not one pointer that owns what it points to
//~| NOTE what can: `KBox<T>`, `Pin<KBox<T>>`, `Arc<T>`, `ARef<T>`, in a tree of mode `Rcu` `RcuBox<T>`, and a `Number`

struct Lists(MapleTree<KVec<u64>>);
//~^ ERROR E0277: `Vec<u64, Kmalloc>` cannot stand in a slot of a tree

struct Maybe(MapleTree<Option<KBox<u64>>>);
//~^ ERROR E0277: `Option<Box<u64, Kmalloc>>` cannot stand in a slot of a tree

struct Lent<'a>(MapleTree<&'a u64>);
//~^ ERROR E0277: `&'a u64` cannot stand in a slot of a tree

struct Large(MapleTree<KVBox<u64>>);
//~^ ERROR E0277: `Box<u64, KVmalloc>` cannot stand in a slot of a tree
