//! `guiju.conformance.v1`: check one record, or a stream of them.

mod aside; // in a task, or on a thread where it takes long
mod inbox; // the messages of a stream
mod stream; // one stream, judged and answered

use super::{Answer, Service, answers::Answers, reference};
use crate::{registry::Registry, status::Refusal};
use guiju::readers::{Encoding, Format, ReadOptions};
use guiju_model::{Digesting, Report};
use guiju_proto::{
    conformance::{self as wire, conformance_server::Conformance},
    convert::{self, ConvertError},
};
use guiju_validator::{CheckOptions, Validator};
use std::sync::Arc;
use tonic::{Request, Response, Status, Streaming};

/// Findings listed for a record, at most; an answer must fit into a message.
const FINDINGS_MAX: u32 = 1000;

/// Judged where it arrives: sooner done than another thread is woken.
const SMALL_RECORD_BYTES_MAX: usize = 16 << 10;

#[tonic::async_trait]
impl Conformance for Service {
    async fn check(&self, request: Request<wire::CheckRequest>) -> Answer<wire::CheckResponse> {
        let (deed, wire::CheckRequest { reference: text, record, options }) = self.called(request);
        let (reference, options) = (reference(&text)?, check_options(options)?);
        let caller = self.meant(&deed, reference.standard()).await?;
        let held = match record.len() <= SMALL_RECORD_BYTES_MAX {
            true => self.registry.validator_held(&reference).map_err(Refusal::from)?,
            false => None,
        };
        let (report, ending): (Report, _) = match held {
            Some((validator, ending)) => (validator.check(&record, &options), ending),
            None => {
                let check = move |registry: &Registry| {
                    let (validator, ending) = registry.validator(&reference)?;
                    Ok((validator.check(&record, &options), ending))
                };
                self.ask_as(caller, check).await?
            }
        };
        let is_good = report.conforms();
        self.metrics.checked([is_good.into(), (!is_good).into()], [report.errors, report.warnings, report.infos]);
        Ok(Response::new(wire::CheckResponse { report: Some(report.into()), ending: ending.map(Into::into) }))
    }

    type CheckStreamStream = Answers<wire::CheckStreamResponse>;

    async fn check_stream(
        &self,
        request: Request<Streaming<wire::CheckStreamRequest>>,
    ) -> Answer<Self::CheckStreamStream> {
        let (deed, mut messages) = self.called(request);
        let idle = self.settings.stream_idle_timeout;
        let header = inbox::header(&mut messages, idle).await?;
        let (reference, options) = (reference(&header.reference)?, check_options(header.options.clone())?);
        let (format, encoding) = (format(header.format)?, encoding(header.encoding)?);
        let read = ReadOptions { format, encoding, jobs: 1, check: options, ..ReadOptions::default() };
        let caller = self.meant(&deed, reference.standard()).await?;
        // For who may check alone: others would take it away from them.
        let place = self.place(&self.check_streams, &deed, "check_streams_max")?;
        let let_go = self.let_go(caller.clone());
        let (validator, ending) = self.ask_as(caller, move |registry| registry.validator(&reference)).await?;
        let promise = match header.with_receipt {
            true => Some(self.promise(&validator).await?),
            false => None,
        };
        let task = stream::Task {
            validator,
            ending,
            promise,
            read,
            failing_only: header.failing_only,
            progress_records: self.settings.progress_records,
            idle,
            metrics: self.metrics.clone(),
            _open: self.metrics.open_stream("CheckStream"),
            _place: place,
        };
        Ok(Response::new(task.start(messages, let_go, self.stopping.clone())))
    }
}

impl Service {
    /// What a receipt needs beside what is found.
    async fn promise(&self, validator: &Arc<Validator>) -> Result<stream::Promise, Status> {
        let (asked, sequencer) = (validator.clone(), self.sequencer.clone());
        let known = move |registry: &Registry| registry.version_here(asked.standard(), asked.version());
        let info = self.ask(known).await?;
        Ok(stream::Promise {
            sequencer,
            entry: info.map(|info| info.log_index),
            seen: Digesting::default(),
            unreadable: 0,
        })
    }
}

fn check_options(given: Option<wire::CheckOptions>) -> Result<CheckOptions, Refusal> {
    let given = given.unwrap_or_default();
    let reference_date = convert::reference_date(&given)?;
    let findings_max = match given.findings_max {
        0 => CheckOptions::default().findings_max,
        1..=FINDINGS_MAX => given.findings_max as usize,
        _ => {
            let why = format!("it is more than {FINDINGS_MAX}");
            return Err(ConvertError::new("options.findings_max", why).into());
        }
    };
    Ok(CheckOptions { reference_date, findings_max, with_values: given.with_values, ..CheckOptions::default() })
}

/// None: found out from the first bytes beyond ASCII.
fn encoding(number: i32) -> Result<Option<Encoding>, Refusal> {
    let unknown =
        |_| ConvertError::new("header.encoding", format!("{number} is none of the values of its enumeration"));
    Ok(match wire::Encoding::try_from(number).map_err(unknown)? {
        wire::Encoding::Unspecified => None,
        wire::Encoding::Utf8 => Some(Encoding::Utf8),
        wire::Encoding::Gb18030 => Some(Encoding::Gb18030),
    })
}

/// None: found out from the first bytes.
fn format(number: i32) -> Result<Option<Format>, Refusal> {
    let unknown = |_| ConvertError::new("header.format", format!("{number} is none of the values of its enumeration"));
    Ok(match wire::Format::try_from(number).map_err(unknown)? {
        wire::Format::Unspecified => None,
        wire::Format::Json => Some(Format::Json),
        wire::Format::Ndjson => Some(Format::Ndjson),
        wire::Format::JsonArray => Some(Format::JsonArray),
        wire::Format::Csv => Some(Format::Csv),
    })
}
