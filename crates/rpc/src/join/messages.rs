//! What the two sides of a joining tell each other, and how: a length (u32, little endian) and a protobuf message.

use crate::key::ClusterKey;
use prost::Message;
use std::io::{Error, ErrorKind, Read, Write};

/// No message of the exchange is longer.
const MAX_MESSAGE_BYTES: usize = 16 * 1024;

/// What both sides' ends of one TLS connection derive alike, and nobody else can.
const EXPORTER_LABEL: &[u8] = b"EXPORTER-trygon-join";

/// Before the exporter in what is signed, so that the code means nothing elsewhere.
const PROOF_LABEL: &[u8] = b"trygon join 1";

/// What runs on one side. All three must be the same on both.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Versions {
    /// The version of Trygon, as `0.1.0`.
    #[prost(string, tag = "1")]
    pub trygon: String,
    /// The version of the protocol between machines.
    #[prost(uint32, tag = "2")]
    pub protocol: u32,
    /// The version of Python, as `3.11.9`; the first two numbers must be the same. Empty: not compared.
    #[prost(string, tag = "3")]
    pub python: String,
}

impl Versions {
    /// Whether nodes of these versions can be in one cluster.
    pub fn is_compatible(&self, other: &Self) -> bool {
        let minor = |python: &str| python.splitn(3, '.').take(2).map(str::to_owned).collect::<Vec<_>>();
        let same_python =
            self.python.is_empty() || other.python.is_empty() || minor(&self.python) == minor(&other.python);
        self.trygon == other.trygon && self.protocol == other.protocol && same_python
    }

    /// The versions in a sentence. What came from outside is shortened, and odd characters are left out.
    pub(super) fn describe(&self) -> String {
        let clean = |text: &str| text.chars().filter(|sign| sign.is_ascii_graphic()).take(32).collect::<String>();
        let python = clean(&self.python);
        let python = if python.is_empty() { "an unknown version".to_owned() } else { python };
        format!("Trygon {} (protocol {}) with Python {python}", clean(&self.trygon), self.protocol)
    }
}

/// What the joining machine says of itself.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Facts {
    /// The id it chose, 28 bytes.
    #[prost(bytes = "vec", tag = "1")]
    pub node: Vec<u8>,
    /// The public half of its key.
    #[prost(bytes = "vec", tag = "2")]
    pub public_key: Vec<u8>,
    #[prost(message, optional, tag = "3")]
    pub versions: Option<Versions>,
    /// Its clock, seconds since 1970.
    #[prost(int64, tag = "4")]
    pub clock_s: i64,
}

/// The joining machine's one message.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Request {
    /// `Facts`, as the bytes that the proof is over.
    #[prost(bytes = "vec", tag = "1")]
    pub facts: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub proof: Vec<u8>,
}

/// Why the head refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub(super) enum Refusal {
    None = 0,
    WrongKey = 1,
    Versions = 2,
    Clock = 3,
    Other = 4,
}

/// The head's answer.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Reply {
    #[prost(enumeration = "Refusal", tag = "1")]
    pub refusal: i32,
    /// The head's own; not told to who does not know the secret.
    #[prost(message, optional, tag = "2")]
    pub versions: Option<Versions>,
    /// The head's clock, seconds since 1970.
    #[prost(int64, tag = "3")]
    pub clock_s: i64,
    /// The sentence of `Refusal::Other`.
    #[prost(string, tag = "4")]
    pub reason: String,
    #[prost(bytes = "vec", tag = "5")]
    pub certificate: Vec<u8>,
    #[prost(bytes = "vec", tag = "6")]
    pub authority: Vec<u8>,
}

/// The code over this connection and these facts that only who knows the secret can make.
pub(super) fn proof<Data>(
    connection: &rustls::ConnectionCommon<Data>,
    key: &ClusterKey,
    facts: &[u8],
) -> Result<ring::hmac::Tag, rustls::Error> {
    Ok(ring::hmac::sign(&key.hmac_key(), &proven(connection, facts)?))
}

/// Whether `proof` is that code. Takes the same time wherever it differs.
pub(super) fn is_proven<Data>(
    connection: &rustls::ConnectionCommon<Data>,
    key: &ClusterKey,
    request: &Request,
) -> Result<bool, rustls::Error> {
    let proven = proven(connection, &request.facts)?;
    Ok(ring::hmac::verify(&key.hmac_key(), &proven, &request.proof).is_ok())
}

/// What is signed. Label and exporter have fixed lengths, so that no two pairs give the same bytes.
fn proven<Data>(connection: &rustls::ConnectionCommon<Data>, facts: &[u8]) -> Result<Vec<u8>, rustls::Error> {
    let exporter = connection.export_keying_material([0; 32], EXPORTER_LABEL, None)?;
    Ok([PROOF_LABEL, &exporter[..], facts].concat())
}

pub(super) fn send(stream: &mut impl Write, message: &impl Message) -> std::io::Result<()> {
    let body = message.encode_to_vec();
    let mut bytes = (body.len() as u32).to_le_bytes().to_vec();
    bytes.extend(body);
    stream.write_all(&bytes)?;
    stream.flush()
}

pub(super) fn receive<Received: Message + Default>(stream: &mut impl Read) -> std::io::Result<Received> {
    let mut len = [0; 4];
    stream.read_exact(&mut len)?;
    let len = u32::from_le_bytes(len) as usize;
    if len > MAX_MESSAGE_BYTES {
        return Err(Error::new(
            ErrorKind::InvalidData,
            format!("a message of {len} bytes; at most {MAX_MESSAGE_BYTES}"),
        ));
    }
    let mut body = vec![0; len];
    stream.read_exact(&mut body)?;
    Received::decode(body.as_slice()).map_err(|error| Error::new(ErrorKind::InvalidData, error))
}
