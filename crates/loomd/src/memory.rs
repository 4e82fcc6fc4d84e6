//! How this process uses the C library's allocator.
//!
//! Left to itself, glibc raises the size from which it maps blocks of their own whenever
//! one is freed, and keeps an arena for each thread. After one burst of large frames a
//! server then holds tens of megabytes for good that nobody uses. Fixed limits give
//! them back, at the price of a system call for each large block.
//!
//! Deliberately absent: another allocator. Measured on Linux, this keeps a server that
//! was sent 20 MiB frames within 2 MB of where it started.

#![cfg_attr(
    all(target_os = "linux", target_env = "gnu"),
    expect(
        unsafe_code,
        reason = "the allocator's settings have no safe interface"
    )
)]

use std::sync::Arc;
use std::time::Duration;

use loomd_server::Server;

/// Blocks of this size in bytes and larger are mapped alone, so that freeing one gives
/// it back at once; free memory of this size at the heap's end is given back too.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const GIVE_BACK_FROM: libc::c_int = 256 * 1024;

/// Arenas that threads share.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const ARENAS_MAX: libc::c_int = 2;

/// Sets the allocator's limits. To be called once, before other threads run. Elsewhere
/// than on Linux with glibc it does nothing.
pub(crate) fn limit() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        let settings = [
            (libc::M_MMAP_THRESHOLD, GIVE_BACK_FROM),
            (libc::M_TRIM_THRESHOLD, GIVE_BACK_FROM),
            (libc::M_ARENA_MAX, ARENAS_MAX),
        ];
        for (setting, value) in settings {
            // SAFETY: takes two integers, changes settings of the allocator alone, and
            // no other thread runs yet. A setting that is refused stays as it was.
            unsafe { libc::mallopt(setting, value) };
        }
    }
}

/// How long after something has ended its memory is given back; what ends in the
/// meantime is given back along with it.
const GIVE_BACK_AFTER: Duration = Duration::from_secs(1);

/// Gives back what connections and threads leave when they end, for as long as it is
/// polled.
pub(crate) async fn give_back(server: Arc<Server>) {
    loop {
        server.memory_freed().await;
        tokio::time::sleep(GIVE_BACK_AFTER).await;
        // It takes a few milliseconds for a large heap, which no task should wait for.
        if let Err(error) = tokio::task::spawn_blocking(trim).await {
            tracing::warn!(%error, "memory not given back");
        }
    }
}

/// Gives back to the system what is free in the middle of the heap.
fn trim() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: takes an integer, and the allocator locks what it looks at.
    unsafe {
        libc::malloc_trim(0);
    }
}
