//! Captures `tracing` messages of level warn.

use std::fmt::{Debug, Write};
use std::sync::{Arc, Mutex, OnceLock};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// Calls `f` and returns what it warned of, on this thread.
pub fn warnings_of<T>(f: impl FnOnce() -> T) -> (T, Vec<String>) {
    let captured = Arc::new(Mutex::new(Vec::new()));
    let result = tracing::subscriber::with_default(Warnings(Arc::clone(&captured)), f);
    let captured = captured.lock().unwrap().clone();
    (result, captured)
}

struct Warnings(Arc<Mutex<Vec<String>>>);

impl Subscriber for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == Level::WARN
    }

    fn event(&self, event: &Event<'_>) {
        let mut message = Message(String::new());
        event.record(&mut message);
        self.0.lock().unwrap().push(message.0);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            write!(self.0, "{value:?}").unwrap();
        }
    }
}

/// What all threads of this program warn of, from now on.
pub fn all_warnings() -> Arc<Mutex<Vec<String>>> {
    static ALL: OnceLock<Arc<Mutex<Vec<String>>>> = OnceLock::new();
    let all = ALL.get_or_init(|| {
        let all = Arc::default();
        tracing::subscriber::set_global_default(Warnings(Arc::clone(&all))).unwrap();
        all
    });
    all.lock().unwrap().clear();
    Arc::clone(all)
}
