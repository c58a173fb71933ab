//! Prints how fast objects are put, server and client in one process, without sockets:
//! `cargo run --release -p trygon-store --example put_speed`.

use std::time::Instant;
use trygon_ids::WorkerId;
use trygon_store::client::{Allocation, Reservation, StoreClient};
use trygon_store::server::StoreServer;
use trygon_wire::control::{SegmentGranted, SegmentRequest};
use trygon_wire::{Header, Kind, Message, decode};

fn reserve(server: &mut StoreServer, client: &StoreClient, len: u64) -> Allocation {
    loop {
        let size_bytes = match client.reserve(len) {
            Reservation::Ready(allocation) => return allocation,
            Reservation::NeedSegment { size_bytes } => size_bytes,
        };
        let body = SegmentRequest { request_id: 1, size_bytes }.encode_to_vec();
        let mut outgoing =
            server.on_frame(WorkerId::new([1; 28]), Kind::SegmentRequest, &body, 0).expect("a correct request");
        while outgoing.is_empty() {
            outgoing = server.on_tick(0);
        }
        for answer in outgoing {
            let granted: SegmentGranted = decode(&answer.frame[Header::LEN..]).expect("a grant");
            let descriptor = answer.descriptor.expect("beside the frame");
            client.add_segment(granted.segment_id, granted.size_bytes, descriptor).expect("mapped");
        }
    }
}

fn put_all(name: &str, server: &mut StoreServer, client: &StoreClient, source: &[u8], count: usize, keep: bool) {
    let start = Instant::now();
    let mut kept = Vec::new();
    for _ in 0..count {
        let mut allocation = reserve(server, client, source.len() as u64);
        assert!(allocation.write_parts(&[source]));
        let place = allocation.seal();
        if keep {
            kept.push(place);
        } else {
            client.free(place.segment.0, place.offset_bytes, place.size_bytes);
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    let rate = (source.len() * count) as f64 / seconds / 1e9;
    println!("{name:<36} {:10.2} us each {rate:7.2} GB/s", seconds * 1e6 / count as f64);
    for place in kept {
        client.free(place.segment.0, place.offset_bytes, place.size_bytes);
    }
}

fn main() {
    let mut server = StoreServer::new(8 << 30);
    for (name, len, count) in [("128 KiB", 128 << 10, 1000), ("1 MiB", 1 << 20, 200), ("100 MB", 100_000_000, 8)] {
        let client = StoreClient::new();
        let source: Vec<u8> = (0..len).map(|index| (index * 31) as u8).collect();
        put_all(&format!("{name}, fresh, all kept"), &mut server, &client, &source, count, true);
        put_all(&format!("{name}, warm, all kept"), &mut server, &client, &source, count, true);
        put_all(&format!("{name}, warm, freed each time"), &mut server, &client, &source, count * 4, false);
        let mut allocation = reserve(&mut server, &client, len as u64);
        assert!(allocation.write_parts(&[&source]));
        let place = allocation.seal();
        let start = Instant::now();
        for _ in 0..1_000_000 {
            std::hint::black_box(client.bytes(place.segment.0, place.offset_bytes, place.size_bytes));
        }
        println!("{:<36} {:10.3} us each", format!("{name}, looked at"), start.elapsed().as_secs_f64());
        assert!(client.mapping(place.segment.0).is_some_and(|mapping| mapping.len_bytes() >= len));
    }
}
