//! tmp
use std::time::Instant;
use trygon_ids::WorkerId;
use trygon_store::client::{Reservation, StoreClient};
use trygon_store::server::StoreServer;
use trygon_wire::control::{SegmentGranted, SegmentRequest};
use trygon_wire::{Header, Kind, Message, decode};
fn main() {
    let mut server = StoreServer::new(8 << 30);
    let len: usize = std::env::args().nth(1).unwrap().parse().unwrap();
    let count: usize = std::env::args().nth(2).unwrap().parse().unwrap();
    let client = StoreClient::new();
    let source: Vec<u8> = (0..len).map(|index| (index * 31) as u8).collect();
    for round in 0..3 {
        let mut kept = vec![];
        let (mut serve, mut map, mut write, mut resv) = (0.0, 0.0, 0.0, 0.0);
        let mut reqs = 0;
        for _ in 0..count {
            let mut a = loop {
                let s = Instant::now();
                let r = client.reserve(len as u64);
                resv += s.elapsed().as_secs_f64();
                let size_bytes = match r { Reservation::Ready(a) => break a, Reservation::NeedSegment { size_bytes } => size_bytes };
                reqs += 1;
                let body = SegmentRequest { request_id: 1, size_bytes }.encode_to_vec();
                let s = Instant::now();
                let mut o = server.on_frame(WorkerId::new([1; 28]), Kind::SegmentRequest, &body, 0).unwrap();
                while o.is_empty() { o = server.on_tick(0); }
                serve += s.elapsed().as_secs_f64();
                let s = Instant::now();
                for answer in o {
                    let g: SegmentGranted = decode(&answer.frame[Header::LEN..]).unwrap();
                    client.add_segment(g.segment_id, g.size_bytes, answer.descriptor.unwrap()).unwrap();
                }
                map += s.elapsed().as_secs_f64();
            };
            let s = Instant::now();
            a.write_parts(&[&source]);
            write += s.elapsed().as_secs_f64();
            kept.push(a.seal());
        }
        let n = (len * count) as f64 / 1e9;
        println!("round {round} requests {reqs}: serve {:.1} ms ({:.2} GB/s) map {:.1} ms write {:.1} ms ({:.2} GB/s) reserve {:.2} ms", serve * 1e3, n / serve, map * 1e3, write * 1e3, n / write, resv * 1e3);
        for p in kept { client.free(p.segment.0, p.offset_bytes, p.size_bytes); }
    }
}
