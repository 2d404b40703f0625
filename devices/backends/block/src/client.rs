//! One user of a drive.

use std::collections::VecDeque;
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender};
use glassbox_device_api::{BlockBackend, BlockCompletion, BlockRequest, Medium};

use crate::drive::{Job, Shared, execute};

/// Sends requests to the drive's threads and collects its own answers.
pub(crate) struct Client {
    drive: Arc<Shared>,
    reply: Sender<BlockCompletion>,
    answers: Receiver<BlockCompletion>,
    /// Answers that came while somebody waited for all of them.
    ready: VecDeque<BlockCompletion>,
    /// Requests whose answers are not in `ready` yet.
    under_way: usize,
}

impl Client {
    pub fn new(drive: Arc<Shared>) -> Self {
        let (reply, answers) = crossbeam_channel::unbounded();
        Self { drive, reply, answers, ready: VecDeque::new(), under_way: 0 }
    }
}

impl BlockBackend for Client {
    fn medium(&self) -> Option<Medium> {
        self.drive.medium()
    }

    fn submit(&mut self, request: BlockRequest) {
        let loaded = self.drive.loaded();
        let job = Job { loaded, request, reply: self.reply.clone() };
        let job = match self.drive.queue() {
            // Sending fails only when all threads are gone: then it is done here.
            Some(queue) => match queue.send(job) {
                Ok(()) => {
                    self.under_way += 1;
                    return;
                }
                Err(refused) => refused.into_inner(),
            },
            None => job,
        };
        self.ready.push_back(execute(job.loaded.as_deref(), job.request));
    }

    fn poll(&mut self) -> Option<BlockCompletion> {
        if let Some(answer) = self.ready.pop_front() {
            return Some(answer);
        }
        let answer = self.answers.try_recv().ok()?;
        self.under_way -= 1;
        Some(answer)
    }

    fn drain(&mut self) {
        while self.under_way != 0 {
            // It holds a sender itself, so this cannot find the channel closed.
            let Ok(answer) = self.answers.recv() else { return };
            self.under_way -= 1;
            self.ready.push_back(answer);
        }
    }

    fn eject(&mut self) -> bool {
        self.drive.open_door()
    }

    fn lock_medium(&mut self, locked: bool) {
        self.drive.set_locked(locked);
    }
}
