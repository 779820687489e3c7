// SPDX-License-Identifier: GPL-2.0

//! Windows against a naive model: sets of bytes.

use proptest::prelude::*;
use strata_plan::window::{Refused, Window};

proptest! {
    #[test]
    fn a_window_is_what_lies_inside(size in 0u64..300, start in 0u64..300, length in 0u64..300) {
        let bytes: Vec<u64> = (start..start + length).collect();
        let inside = bytes.iter().all(|byte| *byte < size);
        match Window::within(size, start, length) {
            Ok(window) => {
                prop_assert!(inside && !bytes.is_empty());
                prop_assert!((window.start()..window.end()).eq(bytes));
            }
            Err(Refused::Empty) => prop_assert!(bytes.is_empty()),
            Err(Refused::Outside) => prop_assert!(!inside),
            Err(Refused::Overflow) => prop_assert!(false, "nothing overflows here"),
        }
    }

    #[test]
    fn no_end_of_the_number_line_panics(size: u64, start: u64, length: u64) {
        let sum = u128::from(start) + u128::from(length);
        match Window::within(size, start, length) {
            Ok(window) => prop_assert_eq!(u128::from(window.end()), sum),
            Err(Refused::Overflow) => prop_assert!(sum > u128::from(u64::MAX)),
            Err(Refused::Outside) => prop_assert!(sum > u128::from(size)),
            Err(Refused::Empty) => prop_assert_eq!(length, 0),
        }
    }

    #[test]
    fn blocks_cover_the_window_once(start in 0u64..5000, length in 1u64..5000, shift in 0u32..13) {
        let window = Window::within(u64::MAX, start, length).unwrap();
        let mut covered = Vec::new();
        for part in window.blocks(shift) {
            prop_assert!(part.length > 0 && part.offset + part.length <= 1 << shift);
            let first = (part.block << shift) + part.offset;
            covered.extend(first..first + part.length);
        }
        prop_assert!((start..start + length).eq(covered));
    }
}
