//! What is to go wrong, when, and how often it did.

use std::num::NonZeroUsize;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::error::{ErrorKind, Operation};

/// Makes the error of a fault.
pub type MakeError = fn() -> ErrorKind;

/// A set of rules. Clones share it, so that a test can change it while the backend is in use.
#[derive(Debug, Clone)]
pub struct Script(Arc<Shared>);

/// When which fault happens.
#[derive(Debug, Clone)]
pub struct Rule {
    /// On which operation; on any when absent.
    pub operation: Option<Operation>,
    /// On which keys; of a listing, on which prefixes.
    pub key: KeyFilter,
    /// On which of these.
    pub when: When,
    /// What happens.
    pub fault: Fault,
}

/// Which keys a rule is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyFilter {
    /// All.
    Any,
    /// Those that have this text in them.
    Contains(String),
}

/// Which of the requests that a rule is about it fires on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// All.
    Always,
    /// The first so many.
    First(u64),
    /// Only this one, counted from 1.
    Nth(u64),
    /// Every second one, beginning with the first: what is there and is not, in turn.
    EveryOther,
    /// So many of a thousand, drawn from the seed of the script.
    PerMille(u16),
}

/// What goes wrong. A fault that has no meaning for an operation leaves it as it is.
#[derive(Debug, Clone)]
pub enum Fault {
    /// It fails without effect.
    FailBefore(MakeError),
    /// It has its effect and fails.
    FailAfter(MakeError),
    /// Put: only so many bytes are stored, with success. Get: the body ends after so many bytes.
    Truncate {
        /// Bytes that are kept.
        keep: usize,
    },
    /// Get: the connection breaks after so many bytes.
    Reset {
        /// Bytes that come before.
        keep: usize,
        /// How it breaks.
        error: MakeError,
    },
    /// Put: a changed bit is stored, with success. Get: a changed bit comes.
    FlipBit {
        /// Which byte, counted around the end of the body.
        at: usize,
    },
    /// Put, delete: success, and nothing happens.
    Lie,
    /// Put: what was stored is right, what proves it is wrong.
    WrongEvidence,
    /// Put: it fails, and arrives at the [release](Script::release).
    Late(MakeError),
    /// Get: all of the body comes, whatever range was asked for.
    IgnoreRange,
    /// Get: another body comes than is stored: a wrong one, or an old one.
    Answer(Bytes),
    /// List: every so many-th entry of a page is missing.
    Omit {
        /// 1 leaves none.
        every: NonZeroUsize,
    },
    /// List: every entry comes twice.
    Duplicate,
    /// It waits for the [release](Script::release) and goes on as if nothing had been.
    Stall,
}

/// A rule of a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RuleId(usize);

#[derive(Debug)]
struct Shared {
    rules: Mutex<Rules>,
    releases: watch::Sender<u64>,
    firings: watch::Sender<u64>,
    late: Mutex<Vec<JoinHandle<()>>>,
}

#[derive(Debug)]
struct Rules {
    random: u64,
    rules: Vec<Active>,
}

#[derive(Debug)]
struct Active {
    rule: Rule,
    enabled: bool,
    seen: u64,
    fired: u64,
}

impl Script {
    /// An empty script; `seed` is that of [`When::PerMille`].
    pub fn seeded(seed: u64) -> Self {
        Self(Arc::new(Shared {
            rules: Mutex::new(Rules {
                random: seed,
                rules: Vec::new(),
            }),
            releases: watch::Sender::new(0),
            firings: watch::Sender::new(0),
            late: Mutex::default(),
        }))
    }

    /// Adds a rule, after those that are there.
    pub fn add(&self, rule: Rule) -> RuleId {
        let mut rules = self.0.rules.lock();
        rules.rules.push(Active {
            rule,
            enabled: true,
            seen: 0,
            fired: 0,
        });
        RuleId(rules.rules.len() - 1)
    }

    /// Adds a rule for all keys of an operation.
    pub fn on(&self, operation: Operation, when: When, fault: Fault) -> RuleId {
        self.add(Rule {
            operation: Some(operation),
            key: KeyFilter::Any,
            when,
            fault,
        })
    }

    /// Ends a rule; its count stays.
    pub fn end(&self, id: RuleId) {
        if let Some(active) = self.0.rules.lock().rules.get_mut(id.0) {
            active.enabled = false;
        }
    }

    /// Ends all rules.
    pub fn end_all(&self) {
        for active in &mut self.0.rules.lock().rules {
            active.enabled = false;
        }
    }

    /// How often a rule fired.
    pub fn fired(&self, id: RuleId) -> u64 {
        self.0
            .rules
            .lock()
            .rules
            .get(id.0)
            .map_or(0, |active| active.fired)
    }

    /// Waits until a rule has fired so often.
    pub async fn until_fired(&self, id: RuleId, times: u64) {
        let mut firings = self.0.firings.subscribe();
        while self.fired(id) < times {
            // The sender lives as long as the script.
            let _ = firings.changed().await;
        }
    }

    /// Lets all that stalls or is late go on, and waits until what is late has arrived.
    pub async fn release(&self) {
        self.0.releases.send_modify(|releases| *releases += 1);
        let late = std::mem::take(&mut *self.0.late.lock());
        for put in late {
            // One that panicked has shown so by itself.
            let _ = put.await;
        }
    }

    /// The fault of a request, if a rule fires on it.
    pub(super) fn fire(&self, operation: Operation, key: Option<&str>) -> Option<Fault> {
        let fault = self.0.rules.lock().fire(operation, key)?;
        self.0.firings.send_modify(|firings| *firings += 1);
        Some(fault)
    }

    /// Waits for the next release after this call.
    pub(super) fn released(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut releases = self.0.releases.subscribe();
        let shared = Arc::clone(&self.0);
        async move {
            let _ = releases.changed().await;
            drop(shared);
        }
    }

    pub(super) fn runs_late(&self, put: JoinHandle<()>) {
        self.0.late.lock().push(put);
    }
}

impl Rules {
    fn fire(&mut self, operation: Operation, key: Option<&str>) -> Option<Fault> {
        let Self { random, rules } = self;
        rules
            .iter_mut()
            .filter(|active| active.is_about(operation, key))
            .find_map(|active| active.fire(random))
    }
}

impl Active {
    fn is_about(&self, operation: Operation, key: Option<&str>) -> bool {
        let of_key = match &self.rule.key {
            KeyFilter::Any => true,
            KeyFilter::Contains(text) => key.is_some_and(|key| key.contains(text.as_str())),
        };
        self.enabled && self.rule.operation.is_none_or(|of| of == operation) && of_key
    }

    fn fire(&mut self, random: &mut u64) -> Option<Fault> {
        self.seen += 1;
        let fires = match self.rule.when {
            When::Always => true,
            When::First(times) => self.seen <= times,
            When::Nth(number) => self.seen == number,
            When::EveryOther => self.seen % 2 == 1,
            When::PerMille(share) => draw(random) % 1_000 < u64::from(share),
        };
        if !fires {
            return None;
        }
        self.fired += 1;
        Some(self.rule.fault.clone())
    }
}

/// SplitMix64: a few lines that give the same numbers on every machine.
/// <https://prng.di.unimi.it/splitmix64.c>
fn draw(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}
