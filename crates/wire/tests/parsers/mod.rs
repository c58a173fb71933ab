//! Every parser of a frame's body, by the frame's kind, with what must hold of whatever it accepts. Shared with the fuzz targets.

use trygon_wire::stream::Stream;
use trygon_wire::task::{Done, Push};
use trygon_wire::{FrameError, Header, Kind, Message, control, decode, peer};

macro_rules! messages {
    ($($kind:ident => $message:ty,)*) => {
        /// Reads a protobuf body and writes it again. `None`: bodies of this kind are no protobuf, or nothing of the kind is sent.
        pub(crate) fn rewrite(kind: Kind, body: &[u8]) -> Option<Result<Vec<u8>, FrameError>> {
            match kind {
                $(Kind::$kind => Some(decode::<$message>(body).map(|message| message.encode_to_vec())),)*
                Kind::TaskPush | Kind::TaskDone | Kind::StreamItem | Kind::StreamCredit => None,
                // Nothing of these kinds is sent yet.
                Kind::PeerHello
                | Kind::BorrowAck
                | Kind::Drain => None,
            }
        }
    };
}

messages! {
    FunctionDefine => peer::FunctionDefine,
    FunctionFetch => peer::FunctionFetch,
    FunctionBody => peer::FunctionBody,
    LeaseBind => peer::LeaseBind,
    HandBack => peer::HandBack,
    Cancel => peer::Cancel,
    CancelObject => peer::CancelObject,
    CancelAnswer => peer::CancelAnswer,
    ObjectLost => peer::ObjectLost,
    CopyQuery => peer::CopyQuery,
    LocationUpdate => peer::LocationUpdate,
    ObjectQuery => peer::ObjectQuery,
    ObjectReply => peer::ObjectReply,
    BorrowReport => peer::BorrowReport,
    Steal => peer::Steal,
    StartNode => control::StartNode,
    WorkerReady => control::WorkerReady,
    LeaseRequest => control::LeaseRequest,
    LeaseCancel => control::LeaseCancel,
    LeaseReturn => control::LeaseReturn,
    Blocked => control::Blocked,
    Unblocked => control::Unblocked,
    ConnectPeer => control::ConnectPeer,
    CreateActor => control::CreateActor,
    WatchActor => control::WatchActor,
    KillActor => control::KillActor,
    ActorStarted => control::ActorStarted,
    GetNamedActor => control::GetNamedActor,
    FunctionPut => control::FunctionPut,
    FunctionGet => control::FunctionGet,
    SegmentRequest => control::SegmentRequest,
    SegmentMap => control::SegmentMap,
    SegmentReturn => control::SegmentReturn,
    ObjectSealed => control::ObjectSealed,
    ObjectFree => control::ObjectFree,
    Explain => control::Explain,
    Explained => control::Explained,
    StateQuery => control::StateQuery,
    KeyValueRequest => control::KeyValueRequest,
    TaskEvents => control::TaskEvents,
    WorkerExiting => control::WorkerExiting,
    Shutdown => control::Shutdown,
    WorkerOwns => control::WorkerOwns,
    CreatePlacementGroup => control::CreatePlacementGroup,
    RemovePlacementGroup => control::RemovePlacementGroup,
    WatchPlacementGroup => control::WatchPlacementGroup,
    StartDaemon => control::StartDaemon,
    AttachDriver => control::AttachDriver,
    AttachTool => control::AttachTool,
    NodeStarted => control::NodeStarted,
    NodeFailed => control::NodeFailed,
    WorkerSetup => control::WorkerSetup,
    LeaseGranted => control::LeaseGranted,
    LeaseWaits => control::LeaseWaits,
    PeerLost => control::PeerLost,
    CancelForced => control::CancelForced,
    CertificateRenewed => control::CertificateRenewed,
    PeerConnected => control::PeerConnected,
    PeerDied => control::PeerDied,
    ActorUpdate => control::ActorUpdate,
    StartActor => control::StartActor,
    NamedActor => control::NamedActor,
    FunctionReply => control::FunctionReply,
    SegmentGranted => control::SegmentGranted,
    SegmentMapped => control::SegmentMapped,
    SegmentWatched => control::SegmentWatched,
    LookEnded => control::LookEnded,
    WatchSegment => control::WatchSegment,
    ObjectPull => control::ObjectPull,
    ObjectPulled => control::ObjectPulled,
    NodeLost => control::NodeLost,
    NodeDrains => control::NodeDrains,
    ReplicaRelease => control::ReplicaRelease,
    Reclaim => control::Reclaim,
    StateReply => control::StateReply,
    KeyValueReply => control::KeyValueReply,
    LogLines => control::LogLines,
    ExitWorker => control::ExitWorker,
    CreateActorReply => control::CreateActorReply,
    SegmentRefused => control::SegmentRefused,
    ReturnSegments => control::ReturnSegments,
    LeaseRevoke => control::LeaseRevoke,
    PlacementGroupReply => control::PlacementGroupReply,
    PlacementGroupUpdate => control::PlacementGroupUpdate,
    ForkWorker => control::ForkWorker,
    ZygoteReady => control::ZygoteReady,
    WorkerForked => control::WorkerForked,
    LeaseRefused => control::LeaseRefused,
    PrepareEnvironment => control::PrepareEnvironment,
    EnvironmentReport => control::EnvironmentReport,
}

/// Parses a body. What was accepted and written again must be accepted with the same length (entries of a map have no order).
pub(crate) fn parse_body(header: Header, body: &[u8]) -> Result<(), FrameError> {
    match header.kind {
        Kind::TaskPush => {
            let (push, payload) = Push::parse(header.flags, body)?;
            let mut frame = Vec::new();
            push.write(0, payload, &mut frame);
            assert_eq!(Push::parse(0, &frame[Header::LEN..]), Ok((push, payload)));
        }
        Kind::TaskDone => {
            let (done, returns) = Done::parse(body)?;
            assert_eq!(done.head(returns.len())[Header::LEN..], body[..Done::LEN]);
        }
        Kind::StreamItem => {
            let (stream, item) = Stream::parse(body)?;
            assert_eq!(stream.item_head(0, item.len())[Header::LEN..], body[..Stream::LEN]);
        }
        Kind::StreamCredit => {
            let (stream, _) = Stream::parse(body)?;
            assert_eq!(stream.credit(0)[Header::LEN..], body[..Stream::LEN]);
        }
        kind => {
            let Some(rewritten) = rewrite(kind, body) else { return Ok(()) };
            let rewritten = rewritten?;
            let again = rewrite(kind, &rewritten).expect("the same kind").expect("what was written can be read");
            assert_eq!(again.len(), rewritten.len(), "{kind:?}");
        }
    }
    Ok(())
}
