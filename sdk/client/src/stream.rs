//! A data set that a registry checks: sent as it is read, judged while it is sent.

use crate::{
    Registry, RegistryError,
    readers::Encoding,
    receipt::{Counts, Receipt, ReceiptError},
};
use guiju_model::{Date, Ending, Finding, Reference, Report};
use guiju_proto::{
    conformance::{
        self as wire, CheckOptions, CheckStreamHeader, CheckStreamRequest, Format, Progress,
        check_stream_request::Message as In, check_stream_response::Message as Out,
    },
    convert::ConvertError,
};
use guiju_tlog::VerifierKey;
use prost::bytes::Bytes;

/// What a registry takes in one message.
const CHUNK_BYTES: usize = 256 << 10;

/// How a data set is to be checked.
#[derive(Clone, Copy, Debug, Default)]
pub struct StreamOptions {
    /// The day that counts as today; without one, rules that ask for it are not judged.
    pub reference_date: Option<Date>,
    /// Findings that are told of one record; none: 100. All are counted.
    pub findings_max: Option<u32>,
    /// Offending values are told, too.
    pub with_values: bool,
    /// The registry signs what it found.
    pub with_receipt: bool,
    /// None: found out from the first bytes beyond ASCII.
    pub encoding: Option<Encoding>,
}

/// What a registry tells while it checks.
#[derive(Clone, Debug, PartialEq)]
pub enum StreamTold {
    /// About the data as a whole: its encoding, the header of a table.
    Input(Finding),
    /// A record of which something was found, by its number from 0.
    Record { index: u64, report: Report },
}

/// What a registry found in a data set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamCheck {
    /// Those that could not be read are among the failing ones; the receipt tells them apart.
    pub counts: Counts,
    /// The note that the registry has signed, where it was asked for one.
    pub receipt: Option<String>,
    /// That the version that judged is deprecated or withdrawn.
    pub ending: Option<Ending>,
}

impl StreamCheck {
    /// What the receipt says, where it is signed by that key: the current one of the registry's log, as `guiju.lock` holds it. One that is
    /// kept is for [`Receipt::verified_by_log`], which goes on knowing it when the log has another key.
    pub fn verified(&self, key: &VerifierKey) -> Option<Result<Receipt, ReceiptError>> {
        self.receipt.as_ref().map(|note| Receipt::verified(note.as_bytes(), key))
    }
}

impl Registry {
    /// Lets the registry check a data set (JSON, NDJSON, a JSON array or CSV, found out from its first bytes) in pieces of any size,
    /// and tells each record of which something was found. Nothing is read ahead of what is sent.
    ///
    /// ```no_run
    /// use guiju::{Registry, StreamOptions, StreamTold, receipt::Receipt};
    /// # async fn example(key: &guiju::tlog::VerifierKey) -> Result<(), Box<dyn std::error::Error>> {
    /// let registry = Registry::connect("http://127.0.0.1:8420").await?;
    /// let reference = "bj.population/person@^2".parse()?;
    /// let options = StreamOptions { with_receipt: true, ..StreamOptions::default() };
    /// let pieces = [std::fs::read("residents.csv")?];
    /// let check = registry.check_stream(&reference, pieces, &options, |told| {
    ///     if let StreamTold::Record { index, report } = told {
    ///         println!("record {index}: {} findings", report.findings.len());
    ///     }
    /// });
    /// let check = check.await?;
    /// if let Some(receipt) = check.verified(key) {
    ///     std::fs::write("receipt", check.receipt.as_deref().unwrap_or_default())?;
    ///     println!("{} records conform, and the registry has signed it", receipt?.counts.conforming);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn check_stream<I, B>(
        &self,
        reference: &Reference,
        pieces: I,
        options: &StreamOptions,
        mut tell: impl FnMut(StreamTold),
    ) -> Result<StreamCheck, RegistryError>
    where
        I: IntoIterator<Item = B, IntoIter: Send + 'static>,
        B: Into<Bytes> + 'static,
    {
        let StreamOptions { reference_date, findings_max, with_values, with_receipt, encoding } = *options;
        let header = CheckStreamHeader {
            reference: reference.to_string(),
            options: Some(CheckOptions {
                reference_date: reference_date.map_or(String::new(), |day| day.to_string()),
                findings_max: findings_max.unwrap_or_default(),
                with_values,
            }),
            format: Format::Unspecified.into(),
            failing_only: true,
            with_receipt,
            encoding: match encoding {
                None => wire::Encoding::Unspecified,
                Some(Encoding::Utf8) => wire::Encoding::Utf8,
                Some(Encoding::Gb18030) => wire::Encoding::Gb18030,
            }
            .into(),
        };
        let message = |message| CheckStreamRequest { message: Some(message) };
        let chunks = pieces.into_iter().flat_map(|piece| chunks(piece.into()));
        let messages = std::iter::once(In::Header(header)).chain(chunks.map(In::Chunk)).map(message);
        let mut answers = self.conformance().check_stream(tokio_stream::iter(messages)).await?.into_inner();
        let mut found = StreamCheck::default();
        let mut is_whole = false;
        while let Some(answer) = answers.message().await? {
            if let Some(ending) = answer.ending {
                found.ending = Some(ending.try_into()?);
            }
            if !answer.receipt.is_empty() {
                found.receipt = Some(answer.receipt);
            }
            match answer.message {
                Some(Out::Input(finding)) => tell(StreamTold::Input(finding.try_into()?)),
                Some(Out::Record(record)) => {
                    let report = record.report.ok_or_else(|| ConvertError::new("report", "it is missing"))?;
                    tell(StreamTold::Record { index: record.index, report: report.try_into()? });
                }
                Some(Out::Progress(progress)) => {
                    is_whole = progress.is_final;
                    found.counts = counts(&progress);
                }
                None => {}
            }
        }
        match is_whole && (found.receipt.is_some() || !with_receipt) {
            true => Ok(found),
            false => Err(ConvertError::new("progress", "the stream ended before all was judged and signed").into()),
        }
    }
}

fn counts(progress: &Progress) -> Counts {
    let Progress { records, conforming, failing, errors, warnings, infos, .. } = *progress;
    Counts { records, conforming, failing, unreadable: 0, errors, warnings, infos }
}

fn chunks(mut piece: Bytes) -> impl Iterator<Item = Bytes> {
    std::iter::from_fn(move || {
        let length = piece.len().min(CHUNK_BYTES);
        (length > 0).then(|| piece.split_to(length))
    })
}
