//! The unit tests of the example char_lm. (As an example that cargo tests, its program would not be
//! built for tests/char_lm.rs.)
#![cfg(feature = "tch")]
#![allow(dead_code)] // what only its main calls

#[path = "../examples/char_lm/checkpoint.rs"]
mod checkpoint;
#[path = "../examples/char_lm/model.rs"]
mod model;
#[path = "../examples/char_lm/options.rs"]
mod options;
#[path = "../examples/char_lm/text.rs"]
mod text;
