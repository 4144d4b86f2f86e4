//! Any bytes as a message of the wire. The first chooses which; the rest is decoded and taken for what it stands for.
//!
//! What is taken goes out as it would from a server, and comes in again the same.

use guiju_model::{Finding, Package, Report, SearchHit, StandardInfo, VersionInfo};
use guiju_proto::{
    conformance as check,
    convert::{BundleReceiver, PackageReceiver, reference_date},
    log, registry as wire,
};
use prost::Message;

pub fn run(data: &[u8]) {
    let Some((choice, bytes)) = data.split_first() else { return };
    match choice % 10 {
        0 => there_and_back::<wire::VersionInfo, VersionInfo>(bytes),
        1 => there_and_back::<wire::StandardInfo, StandardInfo>(bytes),
        2 => there_and_back::<wire::SearchHit, SearchHit>(bytes),
        3 => there_and_back::<check::Finding, Finding>(bytes),
        4 => there_and_back::<check::Report, Report>(bytes),
        5 => {
            if let Ok(request) = wire::PublishRequest::decode(bytes)
                && let Ok(package) = Package::try_from(&request)
            {
                assert_eq!(package.files.len(), request.files.len(), "a file was lost");
            }
        }
        6 => {
            let mut receiver = BundleReceiver::default();
            for part in bytes.split(|byte| *byte == 0xff) {
                let Ok(part) = wire::GetBundleResponse::decode(part) else { return };
                if receiver.take(part).is_err() {
                    return;
                }
            }
            if let Ok(bundle) = receiver.finish() {
                assert!(bundle.digest() == bundle.root().manifest.digest(), "a bundle verifies itself");
            }
        }
        7 => {
            let mut receiver = PackageReceiver::new(1 << 20);
            for part in bytes.split(|byte| *byte == 0xff) {
                let Ok(part) = wire::PublishPartsRequest::decode(part) else { return };
                if receiver.take(part).is_err() {
                    return;
                }
            }
            drop(receiver.finish());
        }
        8 => {
            if let Ok(entry) = log::Entry::decode(bytes) {
                let meant = entry.meaning();
                assert_eq!(meant.clone().meaning(), meant, "what is meant is meant for good");
            }
        }
        _ => {
            if let Ok(options) = check::CheckOptions::decode(bytes) {
                drop(reference_date(&options));
            }
        }
    }
}

fn there_and_back<W, M>(bytes: &[u8])
where
    W: Message + Default + Clone + TryInto<M> + From<M>,
    M: Clone + PartialEq + std::fmt::Debug,
{
    let Ok(message) = W::decode(bytes) else { return };
    let Ok(taken) = message.try_into() else { return };
    let taken: M = taken;
    let again = W::from(taken.clone()).encode_to_vec();
    let again = W::decode(again.as_slice()).ok().and_then(|message| message.try_into().ok());
    assert_eq!(again, Some(taken), "it came back as something else");
}
