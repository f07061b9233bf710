//! Memory of one thread, reused: fresh pages cost more than the computation on them.

/// Buffers that are no longer read.
#[derive(Debug, Default)]
pub(super) struct Pool {
    free: Vec<Vec<f32>>,
}

impl Pool {
    /// A buffer of `len` values, of whatever content.
    pub(super) fn take(&mut self, len: usize) -> Vec<f32> {
        let fitting = (0..self.free.len()).filter(|i| self.free[*i].capacity() >= len);
        match fitting.min_by_key(|i| self.free[*i].capacity()) {
            None => vec![0.0; len],
            Some(i) => {
                let mut buffer = self.free.swap_remove(i);
                buffer.resize(len, 0.0);
                buffer
            }
        }
    }

    /// Takes a buffer back.
    pub(super) fn give_back(&mut self, buffer: Vec<f32>) {
        self.free.push(buffer);
    }
}
