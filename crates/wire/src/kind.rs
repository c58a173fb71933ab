//! The number of every kind of frame. A number is never used again for something else.

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $number:literal,)*) => {
        /// What a frame is.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u16)]
        pub enum Kind { $($(#[$doc])* $name = $number,)* }

        impl Kind {
            /// Every kind there is.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The kind with this number, if there is one.
            pub fn from_number(number: u16) -> Option<Self> {
                match number { $($number => Some(Self::$name),)* _ => None }
            }
        }
    };
}

kinds! {
    // Between a caller and a worker: 0x01xx.
    /// A task or an actor call to run (`task::Push`).
    TaskPush = 0x0101,
    /// The reply to a task (`task::Done`).
    TaskDone = 0x0102,
    /// Reserved: first frame on a peer connection that the daemon did not make.
    PeerHello = 0x0103,
    /// Gives a function a short number on this connection (`peer::FunctionDefine`).
    FunctionDefine = 0x0104,
    /// Asks the caller for a function's body (`peer::FunctionFetch`).
    FunctionFetch = 0x0105,
    /// A function's body (`peer::FunctionBody`).
    FunctionBody = 0x0106,
    /// Binds the following tasks to a lease and its devices (`peer::LeaseBind`).
    LeaseBind = 0x0107,
    /// Tasks that were not started, given back (`peer::HandBack`).
    HandBack = 0x0108,
    /// Asks to cancel a task (`peer::Cancel`).
    Cancel = 0x0109,
    /// Asks an object's owner for its value, now or when it is there (`peer::ObjectQuery`).
    ObjectQuery = 0x010a,
    /// The owner's answer (`peer::ObjectReply`).
    ObjectReply = 0x010b,
    /// What a process borrows from an owner has changed (`peer::BorrowReport`).
    BorrowReport = 0x010c,
    /// Where the copy of an object lies that its owner asked for (`peer::LocationUpdate`).
    LocationUpdate = 0x010d,
    /// One item of a generator, or its end (`stream::Stream`).
    StreamItem = 0x010e,
    /// How many items of a generator were taken, or that it is to stop (`stream::Stream`).
    StreamCredit = 0x010f,
    /// The caller asks for tasks that were not started, to run them elsewhere (`peer::Steal`).
    Steal = 0x0110,
    /// Reserved: the owner's answer to a borrow report.
    BorrowAck = 0x0111,
    /// Asks an object's owner to cancel the task that makes it (`peer::CancelObject`).
    CancelObject = 0x0112,
    /// The owner's answer, when one was asked for (`peer::CancelAnswer`).
    CancelAnswer = 0x0113,
    /// Tells an object's owner that it is not where it was said to be (`peer::ObjectLost`).
    ObjectLost = 0x0114,
    /// The owner of a lost object asks for a copy of it (`peer::CopyQuery`).
    CopyQuery = 0x0115,

    // From a driver or worker to its daemon: 0x02xx (`control`).
    /// `control::StartNode`
    StartNode = 0x0201,
    /// `control::WorkerReady`
    WorkerReady = 0x0202,
    /// `control::LeaseRequest`
    LeaseRequest = 0x0203,
    /// `control::LeaseCancel`
    LeaseCancel = 0x0204,
    /// `control::LeaseReturn`
    LeaseReturn = 0x0205,
    /// `control::Blocked`
    Blocked = 0x0206,
    /// `control::Unblocked`
    Unblocked = 0x0207,
    /// `control::ConnectPeer`
    ConnectPeer = 0x0208,
    /// `control::CreateActor`
    CreateActor = 0x0209,
    /// `control::WatchActor`
    WatchActor = 0x020a,
    /// `control::KillActor`
    KillActor = 0x020b,
    /// `control::ActorStarted`
    ActorStarted = 0x020c,
    /// `control::GetNamedActor`
    GetNamedActor = 0x020d,
    /// `control::FunctionPut`
    FunctionPut = 0x020e,
    /// `control::FunctionGet`
    FunctionGet = 0x020f,
    /// `control::SegmentRequest`
    SegmentRequest = 0x0210,
    /// `control::SegmentMap`
    SegmentMap = 0x0211,
    /// `control::SegmentReturn`
    SegmentReturn = 0x0212,
    /// `control::ObjectSealed`
    ObjectSealed = 0x0213,
    /// `control::ObjectFree`
    ObjectFree = 0x0214,
    /// `control::StateQuery`
    StateQuery = 0x0215,
    /// `control::KeyValueRequest`
    KeyValueRequest = 0x0216,
    /// `control::TaskEvents`
    TaskEvents = 0x0217,
    /// `control::WorkerExiting`
    WorkerExiting = 0x0218,
    /// `control::Shutdown`
    Shutdown = 0x0219,
    /// `control::WorkerOwns`
    WorkerOwns = 0x021a,
    /// `control::Explained`
    Explained = 0x021b,
    /// `control::CreatePlacementGroup`
    CreatePlacementGroup = 0x0230,
    /// `control::RemovePlacementGroup`
    RemovePlacementGroup = 0x0231,
    /// `control::WatchPlacementGroup`
    WatchPlacementGroup = 0x0232,
    /// `control::StartDaemon`
    StartDaemon = 0x0250,
    /// `control::AttachDriver`
    AttachDriver = 0x0251,
    /// `control::AttachTool`
    AttachTool = 0x0252,
    /// `control::PeerLost`
    PeerLost = 0x0242,
    /// `control::CancelForced`
    CancelForced = 0x0243,
    /// `control::SegmentWatched`
    SegmentWatched = 0x0248,
    /// `control::LookEnded`
    LookEnded = 0x0249,
    /// `control::ObjectPull`
    ObjectPull = 0x0240,
    /// `control::ReplicaRelease`
    ReplicaRelease = 0x0241,

    // From the daemon to a driver or worker: 0x03xx (`control`).
    /// `control::NodeStarted`
    NodeStarted = 0x0301,
    /// `control::NodeFailed`
    NodeFailed = 0x0302,
    /// `control::WorkerSetup`
    WorkerSetup = 0x0303,
    /// `control::LeaseGranted`
    LeaseGranted = 0x0304,
    /// `control::LeaseWaits`
    LeaseWaits = 0x0305,
    /// `control::LeaseRevoke`
    LeaseRevoke = 0x0306,
    /// `control::PeerConnected`, with a descriptor
    PeerConnected = 0x0307,
    /// `control::PeerDied`
    PeerDied = 0x0308,
    /// `control::ActorUpdate`
    ActorUpdate = 0x0309,
    /// `control::StartActor`
    StartActor = 0x030a,
    /// `control::NamedActor`
    NamedActor = 0x030b,
    /// `control::FunctionReply`
    FunctionReply = 0x030c,
    /// `control::SegmentGranted`, with a descriptor
    SegmentGranted = 0x030d,
    /// `control::SegmentMapped`, with a descriptor
    SegmentMapped = 0x030e,
    /// `control::Reclaim`
    Reclaim = 0x030f,
    /// `control::StateReply`
    StateReply = 0x0310,
    /// `control::KeyValueReply`
    KeyValueReply = 0x0311,
    /// `control::LogLines`
    LogLines = 0x0312,
    /// `control::ExitWorker`
    ExitWorker = 0x0313,
    /// Reserved: the node takes no new work.
    Drain = 0x0314,
    /// `control::CreateActorReply`
    CreateActorReply = 0x0315,
    /// `control::SegmentRefused`
    SegmentRefused = 0x0316,
    /// `control::ReturnSegments`
    ReturnSegments = 0x0317,
    /// `control::LeaseRefused`
    LeaseRefused = 0x0318,
    /// `control::Explain`
    Explain = 0x0319,
    /// `control::PlacementGroupReply`
    PlacementGroupReply = 0x0330,
    /// `control::PlacementGroupUpdate`
    PlacementGroupUpdate = 0x0331,
    /// `control::CertificateRenewed`
    CertificateRenewed = 0x0340,
    /// `control::ObjectPulled`
    ObjectPulled = 0x0341,
    /// `control::NodeLost`
    NodeLost = 0x0345,
    /// `control::NodeDrains`
    NodeDrains = 0x0346,
    /// `control::WatchSegment`
    WatchSegment = 0x0348,

    // Between the daemon and the zygote: 0x04xx (`control`).
    /// `control::ForkWorker`, with descriptors
    ForkWorker = 0x0401,
    /// `control::ZygoteReady`
    ZygoteReady = 0x0402,
    /// `control::WorkerForked`
    WorkerForked = 0x0403,
    /// `control::PrepareEnvironment`
    PrepareEnvironment = 0x0404,
    /// `control::EnvironmentReport`
    EnvironmentReport = 0x0405,
}
