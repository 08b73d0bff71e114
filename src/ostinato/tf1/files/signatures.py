"""Private: the inputs, outputs and attributes of operations, which GraphDefs state in full.

Each line has types of operations, the dtypes of their inputs and of their outputs, and further
attributes with their defaults. A dtype in capitals or not known as one is an attribute, N*T are N
inputs of one dtype, [T] inputs of several dtypes. `?` is an unknown shape.
"""

from dataclasses import dataclass
from typing import Any

from ..core.dtypes import DTYPES
from ..core.shape import TensorShape

__all__ = ["OpSignature", "signature"]

_TABLE = """
Add AddV2 Sub Mul RealDiv Div FloorDiv FloorMod DivNoNan Pow Maximum Minimum: T T > T
SquaredDifference TruncateDiv TruncateMod Mod Atan2 Xdivy Xlogy: T T > T
TanhGrad SigmoidGrad SqrtGrad RsqrtGrad ReluGrad Relu6Grad EluGrad SeluGrad SoftplusGrad: T T > T
SoftsignGrad ReciprocalGrad InvGrad: T T > T
LeakyRelu: T > T | alpha=0.2
LeakyReluGrad: T T > T | alpha=0.2
Neg Exp Expm1 Log Log1p Sqrt Rsqrt Square Abs Sign Floor Ceil Round Rint Reciprocal Sin Cos: T > T
Tan Asin Acos Atan Sinh Cosh Tanh Sigmoid Erf Erfc Lgamma Digamma Relu Relu6 Elu Selu: T > T
Softplus Softsign Softmax LogSoftmax Identity RefIdentity StopGradient ZerosLike OnesLike: T > T
L2Loss Diag DiagPart MatrixDiag MatrixDiagPart Snapshot InvertPermutation NextIteration: T > T
RefNextIteration Exit RefExit Conj Inv: T > T
IsFinite IsNan IsInf: T > bool
Equal NotEqual Less LessEqual Greater GreaterEqual: T T > bool
LogicalAnd LogicalOr: bool bool > bool
LogicalNot: bool > bool
LoopCond: bool > bool
Select: bool T T > T
Where: T > int64
PreventGradient: T > T | message=''
CheckNumerics: T > T | message:string
BiasAdd: T T > T | data_format='NHWC'
BiasAddGrad: T > T | data_format='NHWC'
AddN: N*T > T
AccumulateNV2: N*T > T | shape:shape
MatMul: T T > T | transpose_a=false transpose_b=false
BatchMatMul: T T > T | adj_x=false adj_y=false
Qr: T > T T | full_matrices=false
Cast: SrcT > DstT | Truncate=false
Bitcast: T > type
Sum Prod Mean Max Min EuclideanNorm: T Tidx > T | keep_dims=false
All Any: bool Tidx > bool | keep_dims=false
ArgMax ArgMin: T Tidx > output_type | output_type=int64
Cumsum Cumprod: T Tidx > T | exclusive=false reverse=false
SegmentSum SegmentMean SegmentMax SegmentMin SegmentProd: T Tindices > T
UnsortedSegmentSum UnsortedSegmentMax UnsortedSegmentMin: T Tindices Tnumsegments > T
UnsortedSegmentProd: T Tindices Tnumsegments > T
Range: Tidx Tidx Tidx > Tidx
LinSpace: T T Tidx > T
BroadcastGradientArgs: T T > T T
BroadcastTo: T Tidx > T
Bincount: int32 int32 T > T
Const: > dtype | value:tensor
Placeholder: > dtype | shape=?
PlaceholderWithDefault: dtype > dtype | shape:shape
NoOp ControlTrigger: >
Enter RefEnter: T > T | frame_name:string is_constant=false parallel_iterations=10
Merge RefMerge: N*T > T int32
Switch RefSwitch: T bool > T T
StackV2: int32 > resource | elem_type:type stack_name=''
StackPushV2: resource T > T | swap_memory=false
StackPopV2: resource > elem_type
Assert: bool [T] > | summarize=3
Print: T [U] > T | message='' first_n=-1 summarize=3
PyFunc PyFuncStateless: [Tin] > [Tout] | token:string
Shape Size: T > out_type | out_type=int32
ShapeN: N*T > N*out_type | out_type=int32
Rank: T > int32
Reshape: T Tshape > T
ExpandDims: T Tdim > T
Squeeze: T > T | squeeze_dims=[]
Transpose: T Tperm > T
Tile: T Tmultiples > T
Fill: index_type T > T
Pad: T Tpaddings > T
PadV2: T Tpaddings T > T
MirrorPad MirrorPadGrad: T Tpaddings > T | mode:string
Pack: N*T > T | axis=0
Unpack: T > num*T | axis=0
ConcatV2: N*T Tidx > T
Concat: int32 N*T > T
ConcatOffset: int32 N*int32 > N*int32
Split: int32 T > num_split*T
SplitV: T Tlen int32 > num_split*T
Slice: T Index Index > T
StridedSlice: T Index Index Index > T | begin_mask=0 end_mask=0 ellipsis_mask=0 new_axis_mask=0 \
shrink_axis_mask=0
StridedSliceGrad: Index Index Index Index T > T | begin_mask=0 end_mask=0 ellipsis_mask=0 \
new_axis_mask=0 shrink_axis_mask=0
Gather: Tparams Tindices > Tparams | validate_indices=true
GatherV2: Tparams Tindices Taxis > Tparams
GatherNd: Tparams Tindices > Tparams
GatherTree: T T T T > T
ScatterNd: Tindices T Tindices > T
ReverseV2: T Tidx > T
ReverseSequence: T Tlen > T | seq_dim:int batch_dim=0
OneHot: TI int32 T T > T | axis=-1
ListDiff: T T > T out_idx | out_idx=int32
Unique: T > T out_idx | out_idx=int32
UniqueWithCounts: T > T out_idx out_idx | out_idx=int32
DynamicPartition: T int32 > num_partitions*T
DynamicStitch ParallelDynamicStitch: N*int32 N*T > T
TopKV2: T int32 > T int32 | sorted=true
InTopK: float32 T > bool | k:int
InTopKV2: float32 T T > bool
MatrixBandPart: T Tindex Tindex > T
MatrixSetDiag: T T > T
SparseToDense: Tindices Tindices T T > T | validate_indices=true
EditDistance: int64 T int64 int64 T int64 > float32 | normalize=true
VariableV2: > dtype | shape:shape container='' shared_name=''
Variable: > dtype | shape:shape container='' shared_name=''
IsVariableInitialized: dtype > bool
VarHandleOp: > resource | dtype:type shape:shape container='' shared_name=''
VarIsInitializedOp: resource > bool
ReadVariableOp: resource > dtype
VariableShape: resource > out_type | out_type=int32
AssignVariableOp AssignAddVariableOp AssignSubVariableOp: resource dtype >
Assign: T T > T | validate_shape=true use_locking=true
AssignAdd AssignSub: T T > T | use_locking=false
CountUpTo: T > T | limit
ScatterAdd ScatterSub: T Tindices T > T | use_locking=false
ScatterUpdate: T Tindices T > T | use_locking=true
ResourceScatterAdd ResourceScatterSub ResourceScatterUpdate: resource Tindices dtype >
ResourceGather: resource Tindices > dtype | validate_indices=true
ApplyGradientDescent: T T T > T | use_locking=false
ApplyProximalGradientDescent: T T T T T > T | use_locking=false
ApplyMomentum: T T T T T > T | use_locking=false use_nesterov=false
ApplyAdagrad: T T T T > T | use_locking=false update_slots=true
ApplyProximalAdagrad: T T T T T T > T | use_locking=false
ApplyAdadelta: T T T T T T T > T | use_locking=false
ApplyRMSProp: T T T T T T T T > T | use_locking=false
ApplyCenteredRMSProp: T T T T T T T T T > T | use_locking=false
ApplyAdam: T T T T T T T T T T > T | use_locking=false use_nesterov=false
ApplyFtrl: T T T T T T T T > T | use_locking=false
ApplyFtrlV2: T T T T T T T T T > T | use_locking=false
SparseApplyProximalGradientDescent: T T T T T Tindices > T | use_locking=false
SparseApplyMomentum: T T T T Tindices T > T | use_locking=false use_nesterov=false
SparseApplyAdagrad: T T T T Tindices > T | use_locking=false update_slots=true
SparseApplyProximalAdagrad: T T T T T T Tindices > T | use_locking=false
SparseApplyAdadelta: T T T T T T T Tindices > T | use_locking=false
SparseApplyRMSProp: T T T T T T T T Tindices > T | use_locking=false
SparseApplyCenteredRMSProp: T T T T T T T T T Tindices > T | use_locking=false
SparseApplyFtrl: T T T T Tindices T T T T > T | use_locking=false
SparseApplyFtrlV2: T T T T Tindices T T T T T > T | use_locking=false
ResourceApplyGradientDescent: resource T T > | use_locking=false
ResourceApplyProximalGradientDescent: resource T T T T > | use_locking=false
ResourceApplyMomentum: resource resource T T T > | use_locking=false use_nesterov=false
ResourceApplyAdagrad: resource resource T T > | use_locking=false update_slots=true
ResourceApplyProximalAdagrad: resource resource T T T T > | use_locking=false
ResourceApplyAdadelta: resource resource resource T T T T > | use_locking=false
ResourceApplyRMSProp: resource resource resource T T T T T > | use_locking=false
ResourceApplyCenteredRMSProp: resource resource resource resource T T T T T > | use_locking=false
ResourceApplyAdam: resource resource resource T T T T T T T > | use_locking=false \
use_nesterov=false
ResourceApplyFtrl: resource resource resource T T T T T > | use_locking=false
ResourceSparseApplyMomentum: resource resource T T Tindices T > | use_locking=false \
use_nesterov=false
ResourceSparseApplyAdagrad: resource resource T T Tindices > | use_locking=false update_slots=true
ResourceSparseApplyAdadelta: resource resource resource T T T T Tindices > | use_locking=false
ResourceSparseApplyRMSProp: resource resource resource T T T T T Tindices > | use_locking=false
ResourceSparseApplyCenteredRMSProp: resource resource resource resource T T T T T Tindices > | \
use_locking=false
ResourceSparseApplyFtrl: resource resource resource T Tindices T T T T > | use_locking=false
SaveV2: string string string [dtypes] >
SaveSlices: string string string [T] >
RestoreV2: string string string > [dtypes]
ScalarSummary: string T > string
HistogramSummary: string T > string
ImageSummary: string T > string | max_images=3 bad_color:tensor
TensorSummaryV2: string T string > string
MergeSummary: N*string > string
RandomUniform RandomStandardNormal TruncatedNormal: T > dtype | seed=0 seed2=0
RandomUniformInt: T Tout Tout > Tout | seed=0 seed2=0
RandomShuffle: T > T | seed=0 seed2=0
RandomGamma: S T > T | seed=0 seed2=0
RandomPoissonV2: S R > dtype | seed=0 seed2=0
Multinomial: T int32 > output_dtype | seed=0 seed2=0 output_dtype=int64
SoftmaxCrossEntropyWithLogits: T T > T T
SparseSoftmaxCrossEntropyWithLogits: T Tlabels > T T
CTCLoss: float32 int64 int32 int32 > float32 float32 | preprocess_collapse_repeated=false \
ctc_merge_repeated=true ignore_longer_outputs_than_inputs=false
CTCGreedyDecoder: float32 int32 > int64 int64 int64 float32 | merge_repeated=false
CTCBeamSearchDecoder: float32 int32 > top_paths*int64 top_paths*int64 top_paths*int64 float32 | \
beam_width:int merge_repeated=true
ComputeAccidentalHits: int64 int64 > int32 int64 float32 | num_true:int seed=0 seed2=0
LogUniformCandidateSampler UniformCandidateSampler LearnedUnigramCandidateSampler: int64 > int64 \
float32 float32 | num_true:int num_sampled:int unique:bool range_max:int seed=0 seed2=0
FixedUnigramCandidateSampler: int64 > int64 float32 float32 | num_true:int num_sampled:int \
unique:bool range_max:int vocab_file='' distortion=1.0 num_reserved_ids=0 num_shards=1 shard=0 \
unigrams=[] seed=0 seed2=0
Conv2D: T T > T | strides:ints use_cudnn_on_gpu=true padding:string data_format='NHWC' dilations=[]
Conv2DBackpropInput: int32 T T > T | strides:ints use_cudnn_on_gpu=true padding:string \
data_format='NHWC' dilations=[]
Conv2DBackpropFilter: T int32 T > T | strides:ints use_cudnn_on_gpu=true padding:string \
data_format='NHWC' dilations=[]
MaxPool: T > T | ksize:ints strides:ints padding:string data_format='NHWC'
AvgPool: T > T | ksize:ints strides:ints padding:string data_format='NHWC'
FusedBatchNorm: T T T T T > T T T T T | epsilon=0.0001 data_format='NHWC' is_training=true
FusedBatchNormGrad: T T T T T > T T T T T | epsilon=0.0001 data_format='NHWC' is_training=true
TensorArrayV3: int32 > resource float32 | dtype:type element_shape=? dynamic_size=false \
clear_after_read=true identical_element_shapes=false tensor_array_name=''
TensorArrayGradV3: resource float32 > resource float32 | source:string
TensorArrayReadV3: resource int32 float32 > dtype
TensorArrayWriteV3: resource int32 T float32 > float32
TensorArrayGatherV3: resource int32 float32 > dtype | element_shape=?
TensorArrayScatterV3: resource int32 T float32 > float32
TensorArraySizeV3: resource float32 > int32
TensorArrayCloseV3: resource >
TensorArrayConcatV3: resource float32 > dtype int64 | element_shape_except0=?
TensorArraySplitV3: resource T int64 float32 > float32
StringJoin: N*string > string | separator=''
AsString: T > string | precision=-1 scientific=false shortest=false width=-1 fill=''
StringToNumber: string > out_type | out_type=float32
"""

_CONSTANTS: dict[str, Any] = {"true": True, "false": False, "?": TensorShape(None), "[]": []}


@dataclass(frozen=True, slots=True)
class OpSignature:
    """The inputs, outputs and attributes of a type of operation.

    Attributes:
        inputs, outputs: For each argument its dtype or attribute with the dtype, the attribute
            with the number of tensors or "", and whether it is a list of several dtypes.
        defaults: Further attributes with their defaults; None where there is none.
        kinds: The kind of each attribute, where its value does not show it.
    """

    inputs: tuple[tuple[str, str, bool], ...]
    outputs: tuple[tuple[str, str, bool], ...]
    defaults: dict[str, Any]
    kinds: dict[str, str]


def _argument(text: str) -> tuple[str, str, bool]:
    number, _, kind = text.rpartition("*")
    return kind.strip("[]"), number, kind.startswith("[")


def _default(text: str) -> Any:
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if text in DTYPES:
        return DTYPES[text]
    if text.startswith("'"):
        return text.strip("'")
    return float(text) if "." in text else int(text)


def _parse(line: str) -> OpSignature:
    text, _, attributes = line.partition("|")
    inputs, _, outputs = text.partition(">")
    defaults: dict[str, Any] = {}
    kinds: dict[str, str] = {}
    for item in attributes.split():
        if "=" in item:
            name, _, value = item.partition("=")
            defaults[name] = _default(value)
            if isinstance(defaults[name], float):
                kinds[name] = "float"
            elif value == "[]":
                kinds[name] = "ints"
        else:
            name, _, kinds[name] = item.partition(":")
            defaults[name] = None
    return OpSignature(
        tuple(_argument(a) for a in inputs.split()),
        tuple(_argument(a) for a in outputs.split()),
        defaults,
        kinds,
    )


_SIGNATURES: dict[str, OpSignature] = {}


def signature(type: str) -> OpSignature | None:  # noqa: A002
    """The signature of a type of operation; None if it is not in the table."""
    if not _SIGNATURES:
        for line in _TABLE.strip().splitlines():
            names, _, rest = line.partition(":")
            parsed = _parse(rest)
            _SIGNATURES.update(dict.fromkeys(names.split(), parsed))
    return _SIGNATURES.get(type)
