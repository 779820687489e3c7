// SPDX-License-Identifier: GPL-2.0

//! /dev/ledger keeps an amount for each account: the driver of Documentation/driver.rst.

use kernel::{
    ioctl::_IOW,
    prelude::*,
    rbtree::{
        RBTree,
        RBTreeNodeReservation, //
    },
    seq_file::SeqFile,
    seq_print,
    sync::{
        Arc,
        ArcBorrow, //
    },
};
use strata::{
    dev::{
        debugfs,
        misc,
        user::UserRange,
        work, //
    },
    lock_class,
    prelude::*,
    sync::Mutex, //
};

module! {
    type: Ledger,
    name: "ledger",
    authors: ["You"],
    description: "Keeps an amount for each account",
    license: "GPL",
}

strata::module_entry!(Ledger);

strata::ranks! {
    after ReclaimLock:
    /// The table of accounts.
    Accounts,
}

/// What all open files share.
#[pin_data]
struct Book {
    #[pin]
    accounts: Mutex<RBTree<u64, u64>, Accounts>,
}

impl Book {
    fn new(cx: &mut Cx<'_, Process>) -> impl PinInit<Self, Error> {
        let accounts = Mutex::new(cx, lock_class!(Accounts, "accounts"), RBTree::new());
        try_pin_init!(Self { accounts <- accounts })
    }

    /// Memory first, then the lock, then what the insertion displaced.
    fn set(&self, cx: &mut Cx<'_, Process>, account: u64, amount: u64) -> Result {
        let node = gfp::kernel(cx).with(RBTreeNodeReservation::new)?;
        let node = node.into_node(account, amount);
        let old = self.accounts.lock(cx, |accounts, _| accounts.insert(node));
        drop(old);
        Ok(())
    }

    /// Frees all entries, without the lock.
    fn clear(&self, cx: &mut Cx<'_, Process>) {
        let mut old = RBTree::new();
        self.accounts
            .lock(cx, |accounts, _| core::mem::swap(accounts, &mut old));
    }
}

/// The module. Fields are dropped in their order: what user space reaches goes first.
#[pin_data]
struct Ledger {
    #[pin]
    device: misc::Registration<LedgerDevice>,
    sum: debugfs::Entry<Sum>,
}

impl strata::dev::Module for Ledger {
    fn init(cx: &mut Cx<'_, Process>) -> Result<impl PinInit<Self, Error>> {
        let book = Book::new(cx);
        let book = gfp::kernel(cx).arc_init(book)?;
        let dir = debugfs::Dir::new(cx, c"ledger");
        let dir = gfp::kernel(cx).arc(dir)?;
        let sum = gfp::kernel(cx).arc(Sum { book: book.clone() })?;
        let sum = debugfs::Entry::new(cx, dir, c"sum", sum);
        let device = misc::Registration::new(cx, c"ledger", book);
        Ok(try_pin_init!(Self {
            device <- device,
            sum,
        }))
    }
}

/// The operations of /dev/ledger.
struct LedgerDevice;

#[vtable]
impl misc::Device for LedgerDevice {
    type Owner = Ledger;
    type Shared = Book;
    type File = Arc<Book>;

    fn open(_cx: &mut Cx<'_, Process>, book: ArcBorrow<'_, Book>) -> Result<Self::File> {
        Ok(book.into())
    }

    fn ioctl(
        cx: &mut Cx<'_, Process>,
        book: ArcBorrow<'_, Book>,
        command: u32,
        arg: UserRange,
    ) -> Result {
        const SET: u32 = _IOW::<[u64; 2]>(b'l' as u32, 0);

        match command {
            SET => {
                let [account, amount] = arg.read(cx)?;
                book.set(cx, account, amount)
            }
            _ => Err(ENOTTY),
        }
    }
}

/// The file ledger/sum: shows the sum of all amounts; writing to it clears them, a little later.
struct Sum {
    book: Arc<Book>,
}

#[vtable]
impl debugfs::File for Sum {
    type Owner = Ledger;

    fn show(&self, cx: &mut Cx<'_, Process>, out: &SeqFile) -> Result {
        let sum = self.book.accounts.lock(cx, |accounts, _| {
            accounts
                .values()
                .fold(0, |sum: u64, amount| sum.wrapping_add(*amount))
        });
        seq_print!(out, "{sum}\n");
        Ok(())
    }

    fn write(&self, cx: &mut Cx<'_, Process>, _input: UserRange) -> Result {
        let book = self.book.clone();
        work::Prepared::new(cx, Clear { book })?.queue(cx);
        Ok(())
    }
}

/// Clears the book from a worker.
struct Clear {
    book: Arc<Book>,
}

impl work::Item for Clear {
    type Owner = Ledger;

    fn run(self, cx: &mut Cx<'_, Process>) {
        self.book.clear(cx);
    }
}
