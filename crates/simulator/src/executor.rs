//! Runs tasks one poll at a time, in whatever order it is told: the scheduler of the simulation. No threads, no clock.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Wake, Waker};

/// Names a task.
pub(crate) type TaskId = u64;

/// Whether a task can go on.
struct Ready(AtomicBool);

impl Wake for Ready {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

struct Task {
    id: TaskId,
    process: usize,
    name: String,
    ready: Arc<Ready>,
    future: Pin<Box<dyn Future<Output = ()> + Send>>,
}

/// All tasks of all processes.
#[derive(Default)]
pub(crate) struct Executor {
    tasks: Vec<Task>,
    next: TaskId,
}

impl Executor {
    /// Adds a task of `process`.
    pub(crate) fn spawn(
        &mut self,
        process: usize,
        name: impl Into<String>,
        future: impl Future<Output = ()> + Send + 'static,
    ) -> TaskId {
        self.next += 1;
        let (id, ready) = (self.next, Arc::new(Ready(AtomicBool::new(true))));
        self.tasks.push(Task { id, process, name: name.into(), ready, future: Box::pin(future) });
        id
    }

    /// The tasks that can go on, oldest first.
    pub(crate) fn ready(&self) -> Vec<TaskId> {
        self.tasks.iter().filter(|task| task.ready.0.load(Ordering::Relaxed)).map(|task| task.id).collect()
    }

    /// Whether a task is still there.
    pub(crate) fn has(&self, id: TaskId) -> bool {
        self.tasks.iter().any(|task| task.id == id)
    }

    /// Lets a task go on until it waits or ends.
    ///
    /// # Errors
    /// The message of a panic in it; then the task is gone.
    pub(crate) fn poll(&mut self, id: TaskId) -> Result<(), String> {
        let Some(index) = self.tasks.iter().position(|task| task.id == id) else { return Ok(()) };
        let Some(task) = self.tasks.get_mut(index) else { return Ok(()) };
        task.ready.0.store(false, Ordering::Relaxed);
        let waker = Waker::from(Arc::clone(&task.ready));
        let polled = catch_unwind(AssertUnwindSafe(|| task.future.as_mut().poll(&mut Context::from_waker(&waker))));
        match polled {
            Ok(polled) => {
                if polled.is_ready() {
                    drop(self.tasks.remove(index));
                }
                Ok(())
            }
            Err(panic) => {
                let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
                let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
                let name = self.tasks.remove(index).name;
                Err(format!("{name} panicked: {text}"))
            }
        }
    }

    /// Drops a task where it stands, as a caller does that hangs up.
    pub(crate) fn drop_task(&mut self, id: TaskId) {
        self.tasks.retain(|task| task.id != id);
    }

    /// Drops every task of `process` where it stands, as a crash does.
    pub(crate) fn drop_process(&mut self, process: usize) {
        self.tasks.retain(|task| task.process != process);
    }
}
