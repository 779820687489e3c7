// SPDX-License-Identifier: GPL-2.0

//! `__drm_gpuvm_sm_map()` and `__drm_gpuvm_sm_unmap()` as `drivers/gpu/drm/drm_gpuvm.c` has them,
//! line by line and with its names, as what ours are held against. Sums wrap as they do in C.

/// `struct drm_gpuva`, and `struct drm_gpuva_op_map` as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Va {
    pub addr: u64,
    pub range: u64,
    pub obj: Option<u8>,
    pub offset: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnmapOp {
    pub va: Va,
    pub keep: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    Map(Va),
    Remap {
        prev: Option<Va>,
        next: Option<Va>,
        unmap: UnmapOp,
    },
    Unmap(UnmapOp),
}

/// `-EINVAL`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Invalid;

/// `struct drm_gpuvm`, its mappings ascending.
#[derive(Clone, Debug)]
pub struct Gpuvm {
    pub mm_start: u64,
    pub mm_range: u64,
    pub kernel_addr: u64,
    pub kernel_range: u64,
    pub vas: Vec<Va>,
}

impl Gpuvm {
    pub fn range_valid(&self, addr: u64, range: u64) -> bool {
        addr.checked_add(range).is_some()
            && self.in_mm_range(addr, range)
            && !self.in_kernel_node(addr, range)
    }

    fn in_mm_range(&self, addr: u64, range: u64) -> bool {
        let end = addr.wrapping_add(range);
        let mm_end = self.mm_start.wrapping_add(self.mm_range);
        addr >= self.mm_start && end <= mm_end
    }

    fn in_kernel_node(&self, addr: u64, range: u64) -> bool {
        let end = addr.wrapping_add(range);
        let kend = self.kernel_addr.wrapping_add(self.kernel_range);
        self.kernel_range != 0 && addr < kend && self.kernel_addr < end
    }

    /// `drm_gpuvm_for_each_va_range_safe()`.
    fn for_each_va_range(&self, start: u64, end: u64) -> impl Iterator<Item = &Va> {
        let va_last = |va: &Va| va.addr.wrapping_add(va.range).wrapping_sub(1);
        let last = end.wrapping_sub(1);
        self.vas
            .iter()
            .skip_while(move |va| !(va.addr <= last && start <= va_last(va)))
            .take_while(move |va| va.addr < end)
    }

    /// `__drm_gpuvm_sm_map()`.
    pub fn sm_map(&self, req: &Va, madvise: bool) -> Result<Vec<Op>, Invalid> {
        let mut ops = Vec::new();
        let mut op_map = if madvise { None } else { Some(*req) };
        let (req_addr, req_range) = (req.addr, req.range);
        let (req_obj, req_offset) = (req.obj, req.offset);
        let req_end = req_addr.wrapping_add(req_range);

        if !self.range_valid(req_addr, req_range) {
            return Err(Invalid);
        }
        let op_unmap_cb = |ops: &mut Vec<Op>, unmap| {
            if !madvise {
                ops.push(Op::Unmap(unmap));
            }
        };

        for va in self.for_each_va_range(req_addr, req_end) {
            let Va {
                addr,
                range,
                obj,
                offset,
            } = *va;
            let end = addr.wrapping_add(range);
            let mut merge = obj.is_some();

            if madvise && obj.is_some() {
                continue;
            }

            if addr == req_addr {
                merge &= obj == req_obj && offset == req_offset;
                let u = UnmapOp {
                    va: *va,
                    keep: merge,
                };

                if end == req_end {
                    op_unmap_cb(&mut ops, u);
                    break;
                }
                if end < req_end {
                    op_unmap_cb(&mut ops, u);
                    continue;
                }
                if end > req_end {
                    let n = Va {
                        addr: req_end,
                        range: range.wrapping_sub(req_range),
                        obj,
                        offset: offset.wrapping_add(req_range),
                    };
                    ops.push(remap(None, Some(n), u));
                    if madvise {
                        op_map = Some(*req);
                    }
                    break;
                }
            } else if addr < req_addr {
                let ls_range = req_addr.wrapping_sub(addr);
                let p = Va {
                    addr,
                    range: ls_range,
                    obj,
                    offset,
                };
                merge &= obj == req_obj && offset.wrapping_add(ls_range) == req_offset;
                let u = UnmapOp {
                    va: *va,
                    keep: merge,
                };

                if end == req_end {
                    ops.push(remap(Some(p), None, u));
                    if madvise {
                        op_map = Some(*req);
                    }
                    break;
                }
                if end < req_end {
                    ops.push(remap(Some(p), None, u));
                    if madvise {
                        ops.push(Op::Map(bare(req_addr, end.wrapping_sub(req_addr))));
                    }
                    continue;
                }
                if end > req_end {
                    let n = Va {
                        addr: req_end,
                        range: end.wrapping_sub(req_end),
                        obj,
                        offset: offset.wrapping_add(ls_range).wrapping_add(req_range),
                    };
                    ops.push(remap(Some(p), Some(n), u));
                    if madvise {
                        op_map = Some(*req);
                    }
                    break;
                }
            } else if addr > req_addr {
                let rs_offset = req_offset.wrapping_add(addr.wrapping_sub(req_addr));
                merge &= obj == req_obj && offset == rs_offset;
                let u = UnmapOp {
                    va: *va,
                    keep: merge,
                };

                if end == req_end {
                    op_unmap_cb(&mut ops, u);
                    break;
                }
                if end < req_end {
                    op_unmap_cb(&mut ops, u);
                    continue;
                }
                if end > req_end {
                    let n = Va {
                        addr: req_end,
                        range: end.wrapping_sub(req_end),
                        obj,
                        offset: offset.wrapping_add(req_end).wrapping_sub(addr),
                    };
                    ops.push(remap(None, Some(n), u));
                    if madvise {
                        ops.push(Op::Map(bare(addr, req_end.wrapping_sub(addr))));
                        return Ok(ops);
                    }
                    break;
                }
            }
        }
        ops.extend(op_map.map(Op::Map));
        Ok(ops)
    }

    /// `__drm_gpuvm_sm_unmap()`.
    pub fn sm_unmap(&self, req_addr: u64, req_range: u64) -> Result<Vec<Op>, Invalid> {
        let mut ops = Vec::new();
        let req_end = req_addr.wrapping_add(req_range);

        if !self.range_valid(req_addr, req_range) {
            return Err(Invalid);
        }
        for va in self.for_each_va_range(req_addr, req_end) {
            let Va {
                addr,
                range,
                obj,
                offset,
            } = *va;
            let end = addr.wrapping_add(range);
            let (mut prev, mut next) = (None, None);

            if addr < req_addr {
                prev = Some(Va {
                    addr,
                    range: req_addr.wrapping_sub(addr),
                    obj,
                    offset,
                });
            }
            if end > req_end {
                next = Some(Va {
                    addr: req_end,
                    range: end.wrapping_sub(req_end),
                    obj,
                    offset: offset.wrapping_add(req_end.wrapping_sub(addr)),
                });
            }

            let unmap = UnmapOp {
                va: *va,
                keep: false,
            };
            if prev.is_some() || next.is_some() {
                ops.push(remap(prev, next, unmap));
            } else {
                ops.push(Op::Unmap(unmap));
            }
        }
        Ok(ops)
    }

    /// What drivers do with the operations: `drm_gpuva_map()`, `_remap()` and `_unmap()`.
    pub fn execute(&mut self, ops: &[Op]) {
        for op in ops {
            match op {
                Op::Map(va) => self.vas.push(*va),
                Op::Unmap(unmap) => self.vas.retain(|va| *va != unmap.va),
                Op::Remap { prev, next, unmap } => {
                    self.vas.retain(|va| *va != unmap.va);
                    self.vas.extend(prev.iter().chain(next));
                }
            }
        }
        self.vas.sort_by_key(|va| va.addr);
    }
}

fn remap(prev: Option<Va>, next: Option<Va>, unmap: UnmapOp) -> Op {
    Op::Remap { prev, next, unmap }
}

/// A `struct drm_gpuvm_map_req` with nothing in it but its range.
fn bare(addr: u64, range: u64) -> Va {
    Va {
        addr,
        range,
        obj: None,
        offset: 0,
    }
}
