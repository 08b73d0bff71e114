"""Private: the messages of TensorFlow's files, by the numbers of their fields."""

from .protobuf import declare

__all__ = [
    "MESSAGES",
    "AttrValue",
    "BundleEntryProto",
    "BundleHeaderProto",
    "CheckpointState",
    "CollectionDef",
    "CondContextDef",
    "ControlFlowContextDef",
    "Event",
    "GraphDef",
    "HistogramProto",
    "MetaGraphDef",
    "NodeDef",
    "QueueRunnerDef",
    "SaverDef",
    "SessionLog",
    "Summary",
    "SummaryMetadata",
    "TensorProto",
    "TensorShapeProto",
    "TensorSliceProto",
    "VariableDef",
    "WhileContextDef",
]

MESSAGES = declare("""
TensorShapeProto: dim=2*:TensorShapeProto.Dim unknown_rank=3:bool
TensorShapeProto.Dim: size=1:int64 name=2:string
TensorProto: dtype=1:DataType tensor_shape=2:TensorShapeProto version_number=3:int32 \
tensor_content=4:bytes half_val=13*:int32 float_val=5*:float double_val=6*:double \
int_val=7*:int32 string_val=8*:bytes scomplex_val=9*:float int64_val=10*:int64 bool_val=11*:bool \
dcomplex_val=12*:double uint32_val=16*:uint32 uint64_val=17*:uint64
AttrValue: s=2?:bytes i=3?:int64 f=4?:float b=5?:bool type=6?:DataType shape=7?:TensorShapeProto \
tensor=8?:TensorProto list=1?:AttrValue.ListValue func=10?:NameAttrList placeholder=9?:string
AttrValue.ListValue: s=2*:bytes i=3*:int64 f=4*:float b=5*:bool type=6*:DataType \
shape=7*:TensorShapeProto tensor=8*:TensorProto func=9*:NameAttrList
NameAttrList: name=1:string attr=2%:AttrValue
NodeDef: name=1:string op=2:string input=3*:string device=4:string attr=5%:AttrValue
VersionDef: producer=1:int32 min_consumer=2:int32 bad_consumers=3*:int32
FunctionDefLibrary: function=1*:FunctionDef
FunctionDef: signature=1:OpDef
GraphDef: node=1*:NodeDef versions=4:VersionDef version=3:int32 library=2:FunctionDefLibrary
OpDef: name=1:string input_arg=2*:OpDef.ArgDef output_arg=3*:OpDef.ArgDef attr=4*:OpDef.AttrDef \
is_aggregate=16:bool is_commutative=18:bool is_stateful=17:bool allows_uninitialized_input=19:bool
OpDef.ArgDef: name=1:string type=3:DataType type_attr=4:string number_attr=5:string \
type_list_attr=6:string is_ref=16:bool
OpDef.AttrDef: name=1:string type=2:string default_value=3:AttrValue has_minimum=5:bool \
minimum=6:int64 allowed_values=7:AttrValue
OpList: op=1*:OpDef
CollectionDef: node_list=1?:CollectionDef.NodeList bytes_list=2?:CollectionDef.BytesList \
int64_list=3?:CollectionDef.Int64List float_list=4?:CollectionDef.FloatList \
any_list=5?:CollectionDef.AnyList
CollectionDef.NodeList: value=1*:string
CollectionDef.BytesList: value=1*:bytes
CollectionDef.Int64List: value=1*:int64
CollectionDef.FloatList: value=1*:float
CollectionDef.AnyList: value=1*:bytes
SaverDef: filename_tensor_name=1:string save_tensor_name=2:string restore_op_name=3:string \
max_to_keep=4:int32 sharded=5:bool keep_checkpoint_every_n_hours=6:float \
version=7:CheckpointFormatVersion
QueueRunnerDef: queue_name=1:string enqueue_op_name=2*:string close_op_name=3:string \
cancel_op_name=4:string queue_closed_exception_types=5*:int32
MetaGraphDef: meta_info_def=1:MetaGraphDef.MetaInfoDef graph_def=2:GraphDef saver_def=3:SaverDef \
collection_def=4%:CollectionDef signature_def=5%:SignatureDef
MetaGraphDef.MetaInfoDef: meta_graph_version=1:string stripped_op_list=2:OpList tags=4*:string \
tensorflow_version=5:string tensorflow_git_version=6:string stripped_default_attrs=7:bool
TensorInfo: name=1?:string dtype=2:DataType tensor_shape=3:TensorShapeProto
SignatureDef: inputs=1%:TensorInfo outputs=2%:TensorInfo method_name=3:string
SaveSliceInfoDef: full_name=1:string full_shape=2*:int64 var_offset=3*:int64 var_shape=4*:int64
VariableDef: variable_name=1:string initial_value_name=6:string initializer_name=2:string \
snapshot_name=3:string save_slice_info_def=4:SaveSliceInfoDef is_resource=5:bool trainable=7:bool
ValuesDef: values=1*:string external_values=2%:string
CondContextDef: context_name=1:string pred_name=2:string pivot_name=3:string branch=4:int32 \
values_def=5:ValuesDef nested_contexts=6*:ControlFlowContextDef
WhileContextDef: context_name=1:string parallel_iterations=2:int32 back_prop=3:bool \
swap_memory=4:bool pivot_name=5:string pivot_for_pred_name=6:string pivot_for_body_name=7:string \
loop_exit_names=8*:string loop_enter_names=10*:string values_def=9:ValuesDef \
nested_contexts=12*:ControlFlowContextDef maximum_iterations_name=11:string
ControlFlowContextDef: cond_ctxt=1?:CondContextDef while_ctxt=2?:WhileContextDef
TensorSliceProto: extent=1*:TensorSliceProto.Extent
TensorSliceProto.Extent: start=1:int64 length=2?:int64
BundleHeaderProto: num_shards=1:int32 endianness=2:Endianness version=3:VersionDef
BundleEntryProto: dtype=1:DataType shape=2:TensorShapeProto shard_id=3:int32 offset=4:int64 \
size=5:int64 crc32c=6:fixed32 slices=7*:TensorSliceProto
SavedTensorSlices: meta=1:SavedTensorSliceMeta data=2:SavedSlice
SavedTensorSliceMeta: tensor=1*:SavedSliceMeta versions=2:VersionDef
SavedSliceMeta: name=1:string shape=2:TensorShapeProto type=3:DataType slice=4*:TensorSliceProto
SavedSlice: name=1:string slice=2:TensorSliceProto data=3:TensorProto
CheckpointState: model_checkpoint_path=1:string all_model_checkpoint_paths=2*:string \
all_model_checkpoint_timestamps=3*:double last_preserved_timestamp=4:double
HistogramProto: min=1:double max=2:double num=3:double sum=4:double sum_squares=5:double \
bucket_limit=6*:double bucket=7*:double
SummaryMetadata: plugin_data=1:SummaryMetadata.PluginData display_name=2:string \
summary_description=3:string
SummaryMetadata.PluginData: plugin_name=1:string content=2:bytes
Summary: value=1*:Summary.Value
Summary.Image: height=1:int32 width=2:int32 colorspace=3:int32 encoded_image_string=4:bytes
Summary.Value: tag=1:string simple_value=2?:float obsolete_old_style_histogram=3?:bytes \
image=4?:Summary.Image histo=5?:HistogramProto node_name=7:string tensor=8?:TensorProto \
metadata=9:SummaryMetadata
SessionLog: status=1:SessionStatus checkpoint_path=2:string msg=3:string
TaggedRunMetadata: tag=1:string run_metadata=2:bytes
Event: wall_time=1:double step=2:int64 file_version=3?:string graph_def=4?:bytes \
summary=5?:Summary session_log=7?:SessionLog tagged_run_metadata=8?:TaggedRunMetadata \
meta_graph_def=9?:bytes
""")

AttrValue = MESSAGES["AttrValue"]
BundleEntryProto = MESSAGES["BundleEntryProto"]
BundleHeaderProto = MESSAGES["BundleHeaderProto"]
CheckpointState = MESSAGES["CheckpointState"]
CollectionDef = MESSAGES["CollectionDef"]
CondContextDef = MESSAGES["CondContextDef"]
ControlFlowContextDef = MESSAGES["ControlFlowContextDef"]
Event = MESSAGES["Event"]
GraphDef = MESSAGES["GraphDef"]
HistogramProto = MESSAGES["HistogramProto"]
MetaGraphDef = MESSAGES["MetaGraphDef"]
NodeDef = MESSAGES["NodeDef"]
QueueRunnerDef = MESSAGES["QueueRunnerDef"]
SaverDef = MESSAGES["SaverDef"]
SessionLog = MESSAGES["SessionLog"]
Summary = MESSAGES["Summary"]
SummaryMetadata = MESSAGES["SummaryMetadata"]
TensorProto = MESSAGES["TensorProto"]
TensorShapeProto = MESSAGES["TensorShapeProto"]
TensorSliceProto = MESSAGES["TensorSliceProto"]
VariableDef = MESSAGES["VariableDef"]
WhileContextDef = MESSAGES["WhileContextDef"]
SaverDef.LEGACY, SaverDef.V1, SaverDef.V2 = 0, 1, 2  # type: ignore[attr-defined]
SessionLog.START, SessionLog.STOP, SessionLog.CHECKPOINT = 1, 2, 3  # type: ignore[attr-defined]
