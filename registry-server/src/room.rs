//! Room for bytes on their way: versions in parts, and answers until they are read. One setting bounds them all: `transfer_bytes_max`.
//!
//! An answer of one message is made whole before its first byte is sent, and a caller of HTTP/2 may ask for many and make no room for
//! them. So each holds room for its bytes until the last of them was asked for; where there is none, its caller is told to come again.
//!
//! # Invariants
//! - Answers to calls that change something are never withheld: whoever changed something is told so.
//! - The HTTP library is given [`PIECE_BYTES`] at a time, and asks for more once those are sent: what it holds itself is little.

use crate::{
    gate::{self, Holder},
    limits::{NoPlace, Place, Places},
    metrics::Metrics,
    settings::Settings,
    status::{Reason, Refusal},
};
use axum::{body::Body, response::Response};
use http_body::{Body as _, Frame, SizeHint};
use prost::bytes::Bytes;
use std::{
    pin::Pin,
    task::{Context, Poll, Waker},
};

/// Room is given by so many bytes.
const UNIT_BYTES: usize = 1 << 10;
/// A smaller answer costs hardly more than the stream that carries it.
const SMALL_BYTES: usize = 8 << 10;
const PIECE_BYTES: usize = 64 << 10;

/// All that there is.
#[derive(Clone)]
pub struct Room {
    units: Places<Holder>,
    metrics: Metrics,
}

impl Room {
    pub fn new(settings: &Settings, metrics: Metrics) -> Self {
        Self { units: Places::new(settings.transfer_bytes_max.div_ceil(UNIT_BYTES)), metrics }
    }

    /// Room for so many bytes, until it is dropped.
    pub fn take(&self, holder: Option<Holder>, bytes: usize) -> Result<Place<Holder>, Refusal> {
        let why = match self.units.take_many(holder, bytes.div_ceil(UNIT_BYTES)) {
            Ok(place) => return Ok(place),
            Err(NoPlace::Full) => "as many bytes are on their way as `transfer_bytes_max` allows",
            Err(NoPlace::Share(_)) => {
                "half of what `transfer_bytes_max` allows is on its way for you; finish that first"
            }
        };
        self.metrics.shed("transfer_bytes_max");
        Err(Refusal::new(Reason::Overloaded, why))
    }

    /// An answer that is made by now, with room for its bytes; one whose bytes come later is as it was.
    pub fn hold(&self, answer: Response, holder: Option<Holder>, is_grpc: bool) -> Response {
        let (head, mut rest) = answer.into_parts();
        // Nobody is woken: whoever sends the answer asks again.
        let first = match Pin::new(&mut rest).poll_frame(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Some(first)) => first,
            Poll::Ready(None) => return Response::from_parts(head, Body::empty()),
            Poll::Pending => return Response::from_parts(head, rest),
        };
        let bytes = first.as_ref().ok().and_then(Frame::data_ref).map_or(0, Bytes::len);
        let place = match (bytes > SMALL_BYTES).then(|| self.take(holder, bytes)).transpose() {
            Ok(place) => place,
            Err(refusal) => return gate::answer(refusal, is_grpc),
        };
        Response::from_parts(head, Body::new(Held { first: Some(first), rest, place }))
    }
}

type Piece = Result<Frame<Bytes>, axum::Error>;

/// An answer that holds room.
struct Held {
    /// What is left of what was made.
    first: Option<Piece>,
    rest: Body,
    place: Option<Place<Holder>>,
}

impl http_body::Body for Held {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Piece>> {
        let Some(first) = self.first.take() else { return Pin::new(&mut self.rest).poll_frame(cx) };
        let piece = first.map(|frame| match frame.into_data() {
            Ok(mut bytes) if bytes.len() > PIECE_BYTES => {
                let piece = bytes.split_to(PIECE_BYTES);
                self.first = Some(Ok(Frame::data(bytes)));
                Frame::data(piece)
            }
            // A copy: the last piece must not hold all of the message, for which there is room no more.
            Ok(bytes) if self.place.take().is_some() => Frame::data(Bytes::copy_from_slice(&bytes)),
            Ok(bytes) => Frame::data(bytes),
            Err(frame) => frame,
        });
        Poll::Ready(Some(piece))
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let first = self.first.as_ref().and_then(|first| first.as_ref().ok()?.data_ref());
        let (held, rest) = (first.map_or(0, Bytes::len) as u64, self.rest.size_hint());
        let mut hint = SizeHint::new();
        if let Some(upper) = rest.upper() {
            hint.set_upper(held + upper);
        }
        hint.set_lower(held + rest.lower());
        hint
    }
}
