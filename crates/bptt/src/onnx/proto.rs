//! The numbers of the fields that are used of ONNX's messages, and of their enums: <https://github.com/onnx/onnx/blob/main/onnx/onnx.proto>.

pub(super) mod model {
    pub const IR_VERSION: u32 = 1;
    pub const PRODUCER_NAME: u32 = 2;
    pub const PRODUCER_VERSION: u32 = 3;
    pub const GRAPH: u32 = 7;
    pub const OPSET_IMPORT: u32 = 8;
    pub const METADATA_PROPS: u32 = 14;
}

/// Of `OperatorSetIdProto`.
pub(super) mod opset {
    pub const DOMAIN: u32 = 1;
    pub const VERSION: u32 = 2;
}

/// Of `StringStringEntryProto`.
pub(super) mod entry {
    pub const KEY: u32 = 1;
    pub const VALUE: u32 = 2;
}

pub(super) mod graph {
    pub const NODE: u32 = 1;
    pub const NAME: u32 = 2;
    pub const INITIALIZER: u32 = 5;
    pub const INPUT: u32 = 11;
    pub const OUTPUT: u32 = 12;
}

pub(super) mod node {
    pub const INPUT: u32 = 1;
    pub const OUTPUT: u32 = 2;
    pub const NAME: u32 = 3;
    pub const OP_TYPE: u32 = 4;
    pub const ATTRIBUTE: u32 = 5;
    pub const DOMAIN: u32 = 7;
}

pub(super) mod attribute {
    pub const NAME: u32 = 1;
    pub const F: u32 = 2;
    pub const I: u32 = 3;
    pub const S: u32 = 4;
    pub const T: u32 = 5;
    pub const FLOATS: u32 = 7;
    pub const INTS: u32 = 8;
    pub const STRINGS: u32 = 9;
    pub const TYPE: u32 = 20;

    pub const TYPE_INT: i64 = 2;
    pub const TYPE_STRING: i64 = 3;
    pub const TYPE_INTS: i64 = 7;
    pub const TYPE_STRINGS: i64 = 8;
}

pub(super) mod tensor {
    pub const DIMS: u32 = 1;
    pub const DATA_TYPE: u32 = 2;
    pub const FLOAT_DATA: u32 = 4;
    pub const INT32_DATA: u32 = 5;
    pub const INT64_DATA: u32 = 7;
    pub const NAME: u32 = 8;
    pub const RAW_DATA: u32 = 9;
    pub const DOUBLE_DATA: u32 = 10;
    pub const DATA_LOCATION: u32 = 14;
}

/// Of `TensorProto.DataType`.
pub(super) mod data_type {
    pub const FLOAT: i64 = 1;
    pub const INT32: i64 = 6;
    pub const INT64: i64 = 7;
    pub const DOUBLE: i64 = 11;
}

/// Of `ValueInfoProto`, and of what it contains.
pub(super) mod value_info {
    pub const NAME: u32 = 1;
    pub const TYPE: u32 = 2;
    pub const TYPE_TENSOR: u32 = 1;
    pub const TENSOR_ELEMENT: u32 = 1;
    pub const TENSOR_SHAPE: u32 = 2;
    pub const SHAPE_DIM: u32 = 1;
    pub const DIM_VALUE: u32 = 1;
    pub const DIM_PARAM: u32 = 2;
}
