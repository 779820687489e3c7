// SPDX-License-Identifier: GPL-2.0

//! Aligned room in a gap, whose last index may be the greatest that there is: no end is computed.

/// The lowest multiple of `align` from which `size` fit into `first..=last`.
pub(crate) const fn lowest(first: u64, last: u64, size: u64, align: u64) -> Option<u64> {
    let (Some(past), Some(most)) = (first.checked_rem(align), highest_start(first, last, size))
    else {
        return None;
    };
    let at = if past == 0 {
        first
    } else {
        match first.checked_add(align - past) {
            Some(at) => at,
            None => return None,
        }
    };
    if at <= most {
        Some(at)
    } else {
        None
    }
}

/// The highest multiple of `align` from which `size` fit into `first..=last`.
pub(crate) const fn highest(first: u64, last: u64, size: u64, align: u64) -> Option<u64> {
    let Some(most) = highest_start(first, last, size) else {
        return None;
    };
    match most.checked_rem(align) {
        Some(past) if most - past >= first => Some(most - past),
        Some(_) | None => None,
    }
}

/// The highest index from which `size` fit into `first..=last`.
const fn highest_start(first: u64, last: u64, size: u64) -> Option<u64> {
    if size == 0 || first > last || last - first < size - 1 {
        return None;
    }
    Some(last - (size - 1))
}
