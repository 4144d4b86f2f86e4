//! One stream of records to check.
//!
//! Three parts run beside each other: the pump takes messages from the caller, the worker (a thread, since checking is
//! work) judges them, and the answer is what the caller reads. The channels between them are short, so a caller who does
//! not read stops the worker, and a worker that is stopped stops the pump, and with it HTTP/2's window.
//!
//! # Limits
//! At most [`WAITING_IN`] messages and [`WAITING_OUT`] answers of a stream are in memory. One that stands still for
//! `stream_idle_timeout` is ended.

use crate::{
    metrics::Metrics,
    status::{self, Reason, Refusal},
};
use guiju::readers;
use guiju_model::Report;
use guiju_proto::conformance::{
    CheckStreamRequest, CheckStreamResponse, Format, Progress, RecordReport, check_stream_request::Message as In,
    check_stream_response::Message as Out,
};
use guiju_validator::{CheckOptions, Validator};
use std::{
    io::{self, Read},
    sync::Arc,
    time::Duration,
};
use tokio::{runtime::Handle, sync::mpsc, time::timeout};
use tonic::{Status, Streaming};

const WAITING_IN: usize = 4;
const WAITING_OUT: usize = 16;
/// What one chunk holds at most, in bytes.
const CHUNK_BYTES_MAX: usize = 1 << 20;
