//! Answers that are given later: slow syncs, without holding up a thread for each.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

/// Runs things later, in the order in which they are due, on one thread that ends with it.
pub(crate) struct DelayLine {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Default)]
struct Queue {
    /// Bounded by what the kernel lets wait: one entry per thread that is in a sync.
    waiting: BinaryHeap<Waiting>,
    last: u64,
    closed: bool,
}

struct Waiting {
    due: Instant,
    /// Keeps what is due at the same time in order.
    number: u64,
    action: Box<dyn FnOnce() + Send>,
}

impl DelayLine {
    /// A line with its thread.
    ///
    /// # Errors
    /// No thread can be started.
    pub(crate) fn start() -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let runner = Arc::clone(&shared);
        thread::Builder::new()
            .name("delays".into())
            .spawn(move || runner.run())?;
        Ok(Self { shared })
    }

    /// Runs `action` after a while. It is dropped unrun when the line ends before.
    pub(crate) fn after(&self, delay: Duration, action: impl FnOnce() + Send + 'static) {
        let mut queue = self.shared.queue.lock();
        queue.last += 1;
        let number = queue.last;
        queue.waiting.push(Waiting {
            due: Instant::now() + delay,
            number,
            action: Box::new(action),
        });
        drop(queue);
        self.shared.changed.notify_one();
    }
}

impl Drop for DelayLine {
    fn drop(&mut self) {
        self.shared.queue.lock().closed = true;
        self.shared.changed.notify_one();
    }
}

impl Shared {
    fn run(&self) {
        while let Some(action) = self.next() {
            action();
        }
    }

    /// Waits for the next action that is due; `None` when the line has ended.
    fn next(&self) -> Option<Box<dyn FnOnce() + Send>> {
        let mut queue = self.queue.lock();
        loop {
            if queue.closed {
                return None;
            }
            let now = Instant::now();
            match queue.waiting.peek().map(|first| first.due) {
                None => self.changed.wait(&mut queue),
                Some(due) if due <= now => return queue.waiting.pop().map(|first| first.action),
                Some(due) => {
                    self.changed.wait_until(&mut queue, due);
                }
            }
        }
    }
}

impl Ord for Waiting {
    /// The heap gives the greatest first, so the earliest is the greatest.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.due, other.number).cmp(&(self.due, self.number))
    }
}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Waiting {}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn actions_run_in_the_order_in_which_they_are_due() {
        let line = DelayLine::start().unwrap();
        let (done, order) = mpsc::channel();
        for (name, millis) in [("late", 60), ("early", 5), ("middle", 30)] {
            let done = done.clone();
            line.after(Duration::from_millis(millis), move || done.send(name).unwrap());
        }
        let order: Vec<&str> = (0..3).map(|_| order.recv().unwrap()).collect();
        assert_eq!(order, ["early", "middle", "late"]);
    }

    #[test]
    fn what_is_still_waiting_at_the_end_is_dropped() {
        let line = DelayLine::start().unwrap();
        let (done, outcome) = mpsc::channel::<()>();
        line.after(Duration::from_secs(3600), move || done.send(()).unwrap());
        drop(line);
        assert!(outcome.recv().is_err(), "the action must be dropped, not run");
    }
}
