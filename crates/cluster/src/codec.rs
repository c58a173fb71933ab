//! gRPC with messages that are encoded already: they are encoded once, however often they are sent.

use std::marker::PhantomData;

use bytes::{BufMut, Bytes};
use prost::Message;
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};

/// Sends bytes as they are, reads messages of type `Received`.
#[derive(Debug)]
pub(crate) struct EncodedCodec<Received> {
    received: PhantomData<fn() -> Received>,
}

impl<Received> Default for EncodedCodec<Received> {
    fn default() -> Self {
        Self { received: PhantomData }
    }
}

impl<Received: Message + Default + 'static> Codec for EncodedCodec<Received> {
    type Encode = Bytes;
    type Decode = Received;
    type Encoder = Copying;
    type Decoder = Reading<Received>;

    fn encoder(&mut self) -> Copying {
        Copying
    }

    fn decoder(&mut self) -> Reading<Received> {
        Reading { received: PhantomData }
    }
}

#[derive(Debug)]
pub(crate) struct Copying;

impl Encoder for Copying {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, into: &mut EncodeBuf<'_>) -> Result<(), Status> {
        into.reserve(item.len());
        into.put(item);
        Ok(())
    }
}

#[derive(Debug)]
pub(crate) struct Reading<Received> {
    received: PhantomData<fn() -> Received>,
}

impl<Received: Message + Default> Decoder for Reading<Received> {
    type Item = Received;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Received>, Status> {
        Received::decode(from).map(Some).map_err(|error| Status::internal(error.to_string()))
    }
}
