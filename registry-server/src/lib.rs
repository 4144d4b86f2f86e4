//! The registry: a log of data standards and contracts, served over gRPC and HTTP.

pub mod disk; // what the store asks of a disk, so that a test can put its own in place
pub mod issuers; // whose JSON Web Tokens are taken
pub mod log; // every change, in one order, for ever
pub mod permissions; // one table: what each method takes
pub mod registry; // the whole service, with no network in sight
pub mod sequencer; // extends the Merkle tree with what was appended, signs checkpoints
pub mod settings; // flags, environment, TOML file: one table
pub mod status; // one table: our errors to gRPC code and HTTP status
pub mod store; // the folder of the log and the view
pub mod view; // what can be asked, kept in sled

mod access; // one log line and one count for each request
mod bootstrap; // gives the first manager its role
mod commands; // the command line
mod contents; // what the entries of a log name
mod denials; // what was denied, for auditors
mod fault; // why a command cannot do its work
mod freshness; // how fresh an answer is, where several servers share a log
mod gate; // who is let in
mod grpc; // tonic services: convert, call the registry, convert
mod http; // health, metrics, a word of greeting, on the same port
mod limits; // how often somebody may ask
mod listen; // takes connections: counted, with TLS where it is on
mod logs; // the server's own log lines
mod metrics; // what is counted, for Prometheus
mod mirror; // follows another registry
mod room; // for bytes on their way
mod scrub; // reads the log again, slowly
mod serve; // opens everything, answers until told to stop, closes everything
mod traces; // where calls spend their time
mod transfer; // carries a log from one place to another
mod unread; // answers that nobody reads
mod upkeep; // verify, rebuild, back up, restore, export, import
mod verdict; // a verdict on the wire
mod witness; // cosigns others' logs
mod witnesses; // those who cosign ours

pub use commands::run;
pub use denials::{Denial, Denials};
pub use fault::Fault;
pub use mirror::{Held, Part, Walk};
pub use upkeep::{Exported, verify};
