//! What is said of a record.

use super::{ConvertError, parsed, required, word, words};
use crate::conformance::{self as wire, finding::Place as WirePlace};
use guiju_model::{Date, Dimension, Ending, Finding, Place, Report, Resolution, Said, Severity, Text, Unlisted};
use std::sync::Arc;

words!(wire::Severity, Severity, { Error, Warning, Info });
words!(wire::Dimension, Dimension, { Normativity, Completeness, Accuracy, Consistency, Timeliness, Accessibility });

/// "Today", if the options say which day it is.
pub fn reference_date(options: &wire::CheckOptions) -> Result<Option<Date>, ConvertError> {
    match options.reference_date.as_str() {
        "" => Ok(None),
        text => parsed("options.reference_date", text).map(Some),
    }
}

impl From<Ending> for wire::Ending {
    fn from(Ending { standard, version, status, until, successor }: Ending) -> Self {
        let effective_to = until.map_or(String::new(), |day| day.to_string());
        let [standard, version, status] = [standard.to_string(), version.to_string(), status.to_string()];
        Self { standard, version, status, effective_to, successor }
    }
}

impl TryFrom<wire::Ending> for Ending {
    type Error = ConvertError;

    fn try_from(ending: wire::Ending) -> Result<Self, ConvertError> {
        Ok(Self {
            standard: parsed("ending.standard", &ending.standard)?,
            version: parsed("ending.version", &ending.version)?,
            status: parsed("ending.status", &ending.status)?,
            until: match ending.effective_to.as_str() {
                "" => None,
                day => Some(parsed("ending.effective_to", day)?),
            },
            successor: ending.successor,
        })
    }
}

impl From<Text> for wire::Text {
    fn from(Text { en, zh }: Text) -> Self {
        Self { en, zh }
    }
}

impl From<wire::Text> for Text {
    fn from(wire::Text { en, zh }: wire::Text) -> Self {
        Self { en, zh }
    }
}

impl From<Place> for WirePlace {
    fn from(place: Place) -> Self {
        match place {
            Place::Text { line, column, offset } => Self::Text(wire::TextPlace { line, column, offset }),
            Place::Cell { row, line, column } => Self::Cell(wire::CellPlace { row, line, column }),
        }
    }
}

impl From<WirePlace> for Place {
    fn from(place: WirePlace) -> Self {
        match place {
            WirePlace::Text(wire::TextPlace { line, column, offset }) => Self::Text { line, column, offset },
            WirePlace::Cell(wire::CellPlace { row, line, column }) => Self::Cell { row, line, column },
        }
    }
}

impl From<Finding> for wire::Finding {
    fn from(Finding { said, place }: Finding) -> Self {
        let said = Arc::unwrap_or_clone(said);
        Self {
            code: said.code.into_owned(),
            severity: wire::Severity::from(said.severity).into(),
            dimension: wire::Dimension::from(said.dimension).into(),
            path: said.path,
            place: place.map(Into::into),
            rule: said.rule,
            field: said.field.map(Into::into),
            message: Some(said.message.into()),
            suggestion: said.suggestion.map(Into::into),
            value: said.value,
        }
    }
}

impl TryFrom<wire::Finding> for Finding {
    type Error = ConvertError;

    fn try_from(finding: wire::Finding) -> Result<Self, ConvertError> {
        let said = Said {
            code: parsed::<String>("code", &finding.code)?.into(),
            severity: word::<wire::Severity, _>("severity", finding.severity)?,
            dimension: word::<wire::Dimension, _>("dimension", finding.dimension)?,
            path: finding.path,
            rule: finding.rule,
            field: finding.field.map(Into::into),
            message: required("message", finding.message)?.into(),
            suggestion: finding.suggestion.map(Into::into),
            value: finding.value,
        };
        Ok(Self { place: finding.place.map(Into::into), ..said.into() })
    }
}

impl From<Report> for wire::Report {
    fn from(report: Report) -> Self {
        Self {
            conforms: report.conforms(),
            standard: report.standard.to_string(),
            version: report.version.to_string(),
            digest: report.digest.to_string(),
            findings: report.findings.into_iter().map(Into::into).collect(),
            errors: report.errors,
            warnings: report.warnings,
            infos: report.infos,
            unlisted: report.unlisted.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<Unlisted> for wire::Unlisted {
    fn from(Unlisted { code, severity, count }: Unlisted) -> Self {
        Self { code: code.into_owned(), severity: wire::Severity::from(severity).into(), count }
    }
}

impl TryFrom<wire::Unlisted> for Unlisted {
    type Error = ConvertError;

    fn try_from(wire::Unlisted { code, severity, count }: wire::Unlisted) -> Result<Self, ConvertError> {
        let severity = word::<wire::Severity, _>("severity", severity)?;
        Ok(Self { code: code.into(), severity, count })
    }
}

impl TryFrom<wire::Report> for Report {
    type Error = ConvertError;

    fn try_from(report: wire::Report) -> Result<Self, ConvertError> {
        let findings = report.findings.into_iter().enumerate();
        let findings = findings.map(|(at, finding)| {
            finding.try_into().map_err(|fault: ConvertError| fault.within(format_args!("findings[{at}]")))
        });
        let unlisted = report.unlisted.into_iter().enumerate();
        let unlisted = unlisted.map(|(at, unlisted)| {
            unlisted.try_into().map_err(|fault: ConvertError| fault.within(format_args!("unlisted[{at}]")))
        });
        let against = Resolution {
            standard: parsed("standard", &report.standard)?,
            version: parsed("version", &report.version)?,
            digest: parsed("digest", &report.digest)?,
        };
        Ok(Self {
            against: against.into(),
            findings: findings.collect::<Result<_, _>>()?,
            errors: report.errors,
            warnings: report.warnings,
            infos: report.infos,
            unlisted: unlisted.collect::<Result<_, _>>()?,
        })
    }
}
