"""Private: the names of TensorFlow 1.13.1 that ostinato.tf1 provides.

For each namespace: the modules of this package that define its names, each with its names.
A name that the module calls otherwise is written name=other.
"""

__all__ = ["ALIASES", "INSTEAD", "NAMES"]

NAMES = {
    "tf": """
        core.graph: Graph add_to_collection add_to_collections colocate_with container
            control_dependencies device get_collection get_collection_ref get_default_graph
            init_scope name_scope op_scope reset_default_graph set_random_seed
        core.graph_keys: GraphKeys
        core.tensors: IndexedSlices Operation Tensor
        core.conversion: convert_to_tensor
        core.defaults: get_default_session
        core.dtypes: DType as_dtype
        core.shape: Dimension TensorShape
        core.session: InteractiveSession Session
        core.constant: constant
        flow.control_flow: cond while_loop
        flow.cases: case
        flow.flow_ops: group no_op tuple=tuple_of
        flow.gradients: AggregationMethod gradients
        kernels.random: device_seed set_device_seed
        core.arithmetic: set_arithmetic
        ops.shapes: identity identity_n placeholder placeholder_with_default rank shape shape_n
            size stop_gradient
        ops.reshaping: expand_dims invert_permutation matrix_transpose reshape squeeze transpose
        ops.joining: concat split stack unstack
        ops.slicing: slice strided_slice
        ops.padding: pad tile
        ops.filling: broadcast_dynamic_shape broadcast_static_shape broadcast_to fill ones
            ones_like zeros zeros_like
        ops.indexing: gather gather_nd scatter_nd setdiff1d unique unique_with_counts
        ops.masks: boolean_mask one_hot sequence_mask
        ops.reversing: reverse reverse_sequence reverse_v2
        ops.choices: where
        ops.partitions: dynamic_partition dynamic_stitch
        ops.matrices: diag diag_part matrix_band_part matrix_diag
        ops.linalg: eye
        ops.arithmetic: accumulate_n add add_n atan2 div div_no_nan divide floor_div floordiv
            floormod maximum minimum mod multiply multiply pow realdiv saturate_cast scalar_mul
            squared_difference subtract truediv truncatediv truncatemod
        ops.elementwise: abs acos acosh asin asinh atan atanh cast ceil check_numerics conj cos
            cosh digamma erf erfc exp expm1 floor is_finite is_inf is_nan lgamma log log1p
            negative reciprocal rint round rsqrt sigmoid sign sin sinh sqrt square tan tanh
            to_double to_float to_int32 to_int64
        ops.activations: log_sigmoid
        ops.comparisons: equal greater greater_equal less less_equal logical_and logical_not
            logical_or logical_xor not_equal
        ops.reductions: arg_max arg_min argmax argmin count_nonzero norm reduce_all reduce_any
            reduce_logsumexp reduce_max reduce_mean reduce_min reduce_prod reduce_sum trace
        ops.ranges: cumprod cumsum lin_space linspace range
        ops.products: matmul tensordot
        ops.einsum: einsum
        ops.segments: bincount segment_max segment_mean segment_min segment_prod segment_sum
            unsorted_segment_max unsorted_segment_mean unsorted_segment_sum
        ops.sparse_segments: sparse_segment_mean sparse_segment_sum
        ops.random: multinomial random_gamma random_normal random_poisson random_shuffle
            random_uniform truncated_normal
        flow.composed: random_crop
        train.clipping: clip_by_average_norm clip_by_global_norm clip_by_norm clip_by_value
            global_norm verify_tensor_all_finite
        state.variable_type: Variable VariableAggregation VariableSynchronization
        state.scopes: AUTO_REUSE VariableScope get_local_variable get_variable
            get_variable_scope no_regularizer variable_op_scope variable_scope
        state.partitions: fixed_size_partitioner
        state.collections: all_variables assert_variables_initialized global_variables
            global_variables_initializer initialize_all_variables initialize_local_variables
            initialize_variables is_variable_initialized local_variables
            local_variables_initializer model_variables moving_average_variables
            report_uninitialized_variables tables_initializer trainable_variables
            variables_initializer
        state.variables: assign assign_add assign_sub scatter_add scatter_sub scatter_update
        initializers: Initializer constant_initializer glorot_normal_initializer
            glorot_uniform_initializer ones_initializer orthogonal_initializer
            random_normal_initializer random_uniform_initializer truncated_normal_initializer
            uniform_unit_scaling_initializer variance_scaling_initializer zeros_initializer
        ops.tensor_arrays: TensorArray
        flow.functional: foldl foldr map_fn scan
        flow.checks: Assert Print as_string assert_equal assert_greater assert_greater_equal
            assert_integer assert_less assert_less_equal assert_negative assert_non_negative
            assert_positive assert_rank assert_rank_at_least assert_type py_func string_join
        core.sparse: SparseTensor SparseTensorValue
        ops.sparse: sparse_placeholder sparse_tensor_to_dense sparse_to_dense
        ctc: edit_distance
        app.config: ConfigProto GPUOptions GraphOptions OptimizerOptions RunMetadata RunOptions
        files.messages: Event GraphDef NodeDef Summary SummaryMetadata
        files.graph_def: import_graph_def
    """,
    "tf.nn": """
        rnn.dynamic: bidirectional_dynamic_rnn dynamic_rnn
        rnn.raw: raw_rnn
        rnn.static: bidirectional_rnn=static_bidirectional_rnn rnn=static_rnn
            state_saving_rnn=static_state_saving_rnn static_bidirectional_rnn static_rnn
            static_state_saving_rnn
        ops.elementwise: sigmoid tanh
        ops.activations: crelu elu leaky_relu relu relu6 selu softplus softsign
        ops.softmax: log_softmax sigmoid_cross_entropy_with_logits softmax
            softmax_cross_entropy_with_logits softmax_cross_entropy_with_logits_v2
            sparse_softmax_cross_entropy_with_logits weighted_cross_entropy_with_logits
        ops.nn: bias_add dropout in_top_k l2_loss relu_layer top_k xw_plus_b
        ops.normalization: batch_norm_with_global_normalization batch_normalization
            fused_batch_norm l2_normalize moments
        ops.embedding: embedding_lookup embedding_lookup_sparse
        flow.composed: zero_fraction
        sampling: compute_accidental_hits fixed_unigram_candidate_sampler
            log_uniform_candidate_sampler nce_loss sampled_softmax_loss
            uniform_candidate_sampler
        ctc: ctc_beam_search_decoder ctc_greedy_decoder ctc_loss
        ops.convolution: conv1d conv2d conv3d
        ops.pooling: avg_pool max_pool
    """,
    "tf.nn.rnn_cell": """
        rnn.cells: BasicLSTMCell BasicRNNCell GRUCell LSTMCell LSTMStateTuple MultiRNNCell
        rnn.cell: RNNCell
        rnn.dropout: DropoutWrapper
        rnn.wrappers: DeviceWrapper ResidualWrapper
        rnn.linear: _linear=linear
    """,
    "tf.nn.seq2seq": """
        seq2seq.legacy_decoders: attention_decoder embedding_attention_decoder
            embedding_rnn_decoder rnn_decoder
        seq2seq.legacy_loss: sequence_loss sequence_loss_by_example
        seq2seq.legacy: basic_rnn_seq2seq embedding_attention_seq2seq embedding_rnn_seq2seq
            embedding_tied_rnn_seq2seq model_with_buckets one2many_rnn_seq2seq tied_rnn_seq2seq
    """,
    "tf.contrib.rnn": """
        rnn.wrappers: AttentionCellWrapper DeviceWrapper EmbeddingWrapper HighwayWrapper
            InputProjectionWrapper OutputProjectionWrapper ResidualWrapper
        rnn.cells: BasicLSTMCell BasicRNNCell GRUCell LSTMCell LSTMStateTuple MultiRNNCell
        rnn.contrib_frequency: BidirectionalGridLSTMCell GridLSTMCell TimeFreqLSTMCell
        rnn.contrib_gates: CFNCell IntersectionRNNCell MinimalRNNCell NASCell SRUCell UGRNNCell
        rnn.contrib_convolution: Conv1DLSTMCell Conv2DLSTMCell Conv3DLSTMCell ConvLSTMCell
        rnn.contrib_lstm: CoupledInputForgetGateLSTMCell GLSTMCell LayerNormBasicLSTMCell
            WeightNormLSTMCell
        rnn.dropout: DropoutWrapper
        rnn.contrib_block: FusedRNNCell FusedRNNCellAdaptor GRUBlockCell GRUBlockCellV2
            LSTMBlockCell LSTMBlockFusedCell TimeReversedFusedRNN
        rnn.contrib_independent: IndRNNCell IndyGRUCell IndyLSTMCell
        rnn.contrib_phased: PhasedLSTMCell
        rnn.cell: RNNCell
        rnn.dynamic: best_effort_input_batch_size transpose_batch_time
        rnn.static: stack_bidirectional_dynamic_rnn stack_bidirectional_rnn
            static_bidirectional_rnn static_rnn static_state_saving_rnn
        rnn.linear: _linear=linear
    """,
    "tf.contrib.grid_rnn": """
        rnn.contrib_grid: Grid1BasicLSTMCell Grid1BasicRNNCell Grid1LSTMCell Grid2BasicLSTMCell
            Grid2BasicRNNCell Grid2GRUCell Grid2LSTMCell Grid3LSTMCell
    """,
    "tf.contrib.seq2seq": """
        seq2seq.decoder: BasicDecoder BasicDecoderOutput Decoder dynamic_decode
        seq2seq.helpers: CustomHelper GreedyEmbeddingHelper Helper InferenceHelper
            SampleEmbeddingHelper
        seq2seq.training_helpers: ScheduledEmbeddingTrainingHelper ScheduledOutputTrainingHelper
            TrainingHelper
        seq2seq.attention_wrapper: AttentionWrapper AttentionWrapperState
        seq2seq.attention: AttentionMechanism BahdanauAttention LuongAttention
        seq2seq.monotonic: BahdanauMonotonicAttention LuongMonotonicAttention hardmax
            monotonic_attention safe_cumprod
        seq2seq.beam_search: BeamSearchDecoder BeamSearchDecoderOutput BeamSearchDecoderState
            FinalBeamSearchDecoderOutput tile_batch
        seq2seq.gather_tree: gather_tree gather_tree_from_array
        seq2seq.loss: sequence_loss
    """,
    "tf.contrib.legacy_seq2seq": """
        seq2seq.legacy_decoders: attention_decoder embedding_attention_decoder
            embedding_rnn_decoder rnn_decoder
        seq2seq.legacy: basic_rnn_seq2seq embedding_attention_seq2seq embedding_rnn_seq2seq
            embedding_tied_rnn_seq2seq model_with_buckets one2many_rnn_seq2seq tied_rnn_seq2seq
        seq2seq.legacy_loss: sequence_loss sequence_loss_by_example
    """,
    "tf.contrib.layers": """
        layers.contrib: dropout embed_sequence embedding_lookup_unique flatten fully_connected
            layer_norm linear one_hot_encoding relu relu6 xavier_initializer_conv2d
        layers.normalization: batch_norm
        layers.regularizers: apply_regularization l1_l2_regularizer l1_regularizer
            l2_regularizer sum_regularizer
        initializers: variance_scaling_initializer=contrib_variance_scaling_initializer
            xavier_initializer
        layers.optimize: OPTIMIZER_CLS_NAMES optimize_loss
        ops.joining: stack
        ops.softmax: softmax
        ops.nn: bias_add
    """,
    "tf.contrib.crf": """
        crf: CrfDecodeBackwardRnnCell CrfDecodeForwardRnnCell CrfForwardRnnCell crf_binary_score
            crf_decode crf_log_likelihood crf_log_norm crf_multitag_sequence_score
            crf_sequence_score crf_unary_score viterbi_decode
    """,
    "tf.contrib.framework": """
        layers.model_variables: get_trainable_variables get_variables get_variables_by_name
            get_variables_by_suffix model_variable variable
        state.collections: create_global_step get_global_step get_or_create_global_step
        files.reader: list_variables=contrib_list_variables
            load_checkpoint=contrib_load_checkpoint load_variable=contrib_load_variable
        train.initial_checkpoint: init_from_checkpoint
        layers.arg_scopes: add_arg_scope arg_scope has_arg_scope
    """,
    "tf.contrib.framework.nest": """
        core.nest: assert_same_structure flatten is_sequence map_structure pack_sequence_as
    """,
    "tf.contrib.losses": """
        losses: add_loss get_losses get_regularization_losses get_total_loss mean_squared_error
            softmax_cross_entropy sparse_softmax_cross_entropy
    """,
    "tf.contrib.training": """
        app.config: HParams
    """,
    "tf.python.client.device_lib": """
        app.config: list_local_devices
    """,
    "tf.core.framework.variable_pb2": """
        files.messages: VariableDef
    """,
    "tf.core.framework.graph_pb2": """
        files.messages: GraphDef NodeDef
    """,
    "tf.core.framework.summary_pb2": """
        files.messages: Summary
    """,
    "tf.core.protobuf.config_pb2": """
        app.config: ConfigProto GPUOptions GraphOptions OptimizerOptions RunMetadata RunOptions
    """,
    "tf.core.protobuf.rewriter_config_pb2": """
        app.config: RewriterConfig
    """,
    "tf.python.debug": """
        app.debug: LocalCLIDebugWrapperSession has_inf_or_nan
    """,
    "tf.contrib.slim.model_analyzer": """
        layers.model_variables: analyze_vars
    """,
    "tf.contrib.tensorboard.plugins.projector": """
        files.projector: EmbeddingInfo ProjectorConfig SpriteMetadata visualize_embeddings
    """,
    "tf.contrib.learn": """
        app.config: ModeKeys
    """,
    "tf.layers": """
        layers.base: Layer
        layers.specs: InputSpec
        layers.core: Dense Dropout Flatten dense dropout flatten
        layers.normalization: BatchNormalization batch_normalization
        layers.convolution: Conv1D Conv2D conv1d conv2d max_pooling1d max_pooling2d
    """,
    "tf.losses": """
        losses: Reduction absolute_difference add_loss compute_weighted_loss cosine_distance
            get_losses get_regularization_loss get_regularization_losses get_total_loss
            hinge_loss huber_loss log_loss mean_pairwise_squared_error mean_squared_error
            sigmoid_cross_entropy softmax_cross_entropy sparse_softmax_cross_entropy
    """,
    "tf.metrics": """
        metrics: accuracy false_negatives false_positives mean mean_absolute_error
            mean_squared_error precision recall root_mean_squared_error true_negatives
            true_positives
    """,
    "tf.train": """
        train.optimizer: Optimizer
        train.optimizers: AdadeltaOptimizer AdagradOptimizer AdamOptimizer FtrlOptimizer
            GradientDescentOptimizer MomentumOptimizer ProximalAdagradOptimizer
            ProximalGradientDescentOptimizer RMSPropOptimizer
        train.averages: ExponentialMovingAverage
        train.decays: cosine_decay cosine_decay_restarts exponential_decay inverse_time_decay
            linear_cosine_decay natural_exp_decay noisy_linear_cosine_decay piecewise_constant
            piecewise_constant_decay=piecewise_constant polynomial_decay
        state.collections: assert_global_step create_global_step get_global_step
            get_or_create_global_step global_step
        train.saver: Saver
        files.messages: CheckpointState SaverDef
        files.checkpoint_state: checkpoint_exists generate_checkpoint_state_proto
            get_checkpoint_mtimes get_checkpoint_state latest_checkpoint remove_checkpoint
            update_checkpoint_state
        files.reader: NewCheckpointReader list_variables load_checkpoint load_variable
        train.initial_checkpoint: init_from_checkpoint
        files.meta_graph: export_meta_graph import_meta_graph write_graph
        train.supervisor: MonitoredSession MonitoredTrainingSession Supervisor
        train.queues: Coordinator QueueRunner add_queue_runner batch input_producer limit_epochs
            range_input_producer slice_input_producer slice_input_producer start_queue_runners
            string_input_producer
        files.events: SummaryWriter=FileWriter summary_iterator
        app.config: ClusterDef
    """,
    "tf.summary": """
        summary: histogram image merge merge_all scalar tensor_summary text
        files.events: FileWriter FileWriterCache
    """,
    "tf.data": """
        data.dataset: Dataset TextLineDataset
        data.iterator: Iterator
    """,
    "tf.errors": """
        core.errors: AbortedError AlreadyExistsError CancelledError DataLossError
            DeadlineExceededError FailedPreconditionError InternalError InvalidArgumentError
            NotFoundError OpError OutOfRangeError PermissionDeniedError ResourceExhaustedError
            UnavailableError UnimplementedError UnknownError
    """,
    "tf.app": """
        app.flags: run
    """,
    "tf.app.flags": """
        app.flags: DEFINE_bool DEFINE_boolean DEFINE_enum DEFINE_float DEFINE_integer
            DEFINE_list DEFINE_string FLAGS FlagValues mark_flag_as_required
            mark_flags_as_required
    """,
    "tf.gfile": """
        app.gfile: Copy DeleteRecursively Exists FastGFile GFile Glob IsDirectory ListDirectory
            MakeDirs MkDir Open Remove Rename Stat Walk
    """,
    "tf.logging": """
        app.logging: DEBUG ERROR FATAL INFO WARN debug error fatal get_verbosity info log
            log_every_n log_first_n set_verbosity vlog warn warning
    """,
    "tf.initializers": """
        initializers: constant=constant_initializer glorot_normal=glorot_normal_initializer
            glorot_uniform=glorot_uniform_initializer he_normal he_uniform
            identity=identity_initializer lecun_normal lecun_uniform ones=ones_initializer
            orthogonal=orthogonal_initializer random_normal=random_normal_initializer
            random_uniform=random_uniform_initializer
            truncated_normal=truncated_normal_initializer
            uniform_unit_scaling=uniform_unit_scaling_initializer
            variance_scaling=variance_scaling_initializer zeros=zeros_initializer
        state.collections: global_variables=global_variables_initializer
            local_variables=local_variables_initializer tables_initializer
            variables=variables_initializer
    """,
    "tf.random": """
        ops.random: categorical gamma=random_gamma multinomial normal=random_normal
            poisson=random_poisson shuffle=random_shuffle truncated_normal
            uniform=random_uniform
        core.graph: set_random_seed
        sampling: fixed_unigram_candidate_sampler log_uniform_candidate_sampler
            uniform_candidate_sampler
    """,
    "tf.math": """
        ops.arithmetic: accumulate_n add add_n atan2 divide floordiv floormod maximum minimum
            multiply pow scalar_mul squared_difference subtract truediv
        ops.elementwise: abs acos acosh asin asinh atan atanh ceil cos cosh digamma erf erfc exp
            expm1 floor is_finite is_inf is_nan lgamma log log1p negative reciprocal rint round
            rsqrt sigmoid sign sin sinh sqrt square tan tanh
        ops.reductions: argmax argmin count_nonzero reduce_all reduce_any reduce_logsumexp
            reduce_max reduce_mean reduce_min reduce_prod reduce_sum
        ops.ranges: cumprod cumsum
        ops.comparisons: equal greater greater_equal less less_equal logical_and logical_not
            logical_or logical_xor not_equal
        ops.activations: log_sigmoid softplus softsign
        ops.segments: segment_sum unsorted_segment_sum
        ops.nn: in_top_k top_k
        ops.normalization: l2_normalize
        ops.softmax: log_softmax softmax
    """,
    "tf.linalg": """
        ops.products: matmul tensordot
        ops.reductions: norm trace
        ops.matrices: band_part=matrix_band_part diag diag_part tensor_diag=diag
        ops.linalg: eye
        ops.reshaping: transpose=matrix_transpose
        ops.einsum: einsum
        ops.normalization: l2_normalize
    """,
    "tf.graph_util": """
        files.graph_util: convert_variables_to_constants extract_sub_graph
    """,
    "tf.compat": """
        app.config: as_bytes as_str as_text
    """,
    "tf.test": """
        app.config: get_temp_dir gpu_device_name is_built_with_cuda is_gpu_available
    """,
    "tf.examples.tutorials.mnist.input_data": """
        data.mnist: DataSet Datasets read_data_sets
    """,
    "tf.strings": """
        flow.checks: as_string join=string_join
    """,
    "tf.keras": """
        keras.models: Model Sequential
        keras.engine: Input
    """,
    "tf.keras.layers": """
        keras.engine: Input InputLayer Layer
        keras.layers: Activation Dense Dropout Embedding Flatten GaussianNoise
            GlobalAveragePooling1D GlobalMaxPooling1D Lambda LeakyReLU Masking Permute
            RepeatVector Reshape SpatialDropout1D
        keras.recurrent: GRU LSTM RNN SimpleRNN
        keras.cells: GRUCell LSTMCell SimpleRNNCell
        keras.stacks: StackedRNNCells
        keras.wrappers: Bidirectional TimeDistributed Wrapper
        keras.merge: Add Average Concatenate Dot Maximum Multiply Subtract add average
            concatenate dot maximum multiply subtract
        keras.normalization: BatchNormalization
        keras.convolution: Conv1D MaxPooling1D
    """,
    "tf.keras.models": """
        keras.models: Model Sequential load_model
    """,
    "tf.keras.initializers": """
        keras.initializers: Constant Identity Initializer Ones Orthogonal RandomNormal
            RandomUniform TruncatedNormal VarianceScaling Zeros constant deserialize get
            glorot_normal glorot_uniform he_normal he_uniform identity lecun_normal
            lecun_uniform normal ones orthogonal random_normal random_uniform serialize
            truncated_normal uniform zeros
    """,
    "tf.keras.activations": """
        keras.activations: deserialize elu exponential get hard_sigmoid linear relu selu
            serialize sigmoid softmax softplus softsign tanh
    """,
    "tf.keras.optimizers": """
        keras.optimizers: Adadelta Adagrad Adam Adamax Optimizer RMSprop SGD deserialize get
            serialize
    """,
    "tf.keras.losses": """
        keras.losses: MAE MAPE MSE MSLE binary_crossentropy categorical_crossentropy
            categorical_hinge cosine_proximity deserialize get hinge kld
            kullback_leibler_divergence logcosh mae mape mean_absolute_error
            mean_absolute_percentage_error mean_squared_error mean_squared_logarithmic_error mse
            msle poisson serialize sparse_categorical_crossentropy squared_hinge
    """,
    "tf.keras.metrics": """
        keras.metrics: binary_accuracy binary_crossentropy categorical_accuracy
            categorical_crossentropy deserialize get mae mean_absolute_error mean_squared_error
            mse serialize sparse_categorical_accuracy sparse_categorical_crossentropy
            sparse_top_k_categorical_accuracy top_k_categorical_accuracy
    """,
    "tf.keras.constraints": """
        keras.constraints: Constraint MaxNorm MinMaxNorm NonNeg UnitNorm deserialize get
            serialize
    """,
    "tf.keras.regularizers": """
        keras.regularizers: L1L2 Regularizer deserialize get l1 l1_l2 l2 serialize
    """,
    "tf.keras.callbacks": """
        keras.callbacks: BaseLogger CSVLogger Callback EarlyStopping History LambdaCallback
            LearningRateScheduler ModelCheckpoint ReduceLROnPlateau TerminateOnNaN
    """,
    "tf.keras.utils": """
        keras.sequences: Sequence normalize to_categorical
    """,
    "tf.keras.backend": """
        keras.backend: batch_get_value batch_set_value clear_session dtype epsilon floatx
            function get_session get_uid get_value image_data_format int_shape is_keras_tensor
            learning_phase name_scope ndim ones placeholder reset_uids set_epsilon set_floatx
            set_image_data_format set_learning_phase set_session set_value shape variable zeros
        keras.arithmetic: abs all any arange argmax argmin bias_add binary_crossentropy cast
            categorical_crossentropy clip concatenate constant cumsum dot dropout elu equal exp
            expand_dims flatten gather gradients greater greater_equal hard_sigmoid
            in_test_phase in_train_phase l2_normalize less less_equal log max maximum mean min
            minimum not_equal one_hot ones_like permute_dimensions pow prod relu repeat reshape
            reverse round sigmoid sign softmax softplus softsign sparse_categorical_crossentropy
            sqrt square squeeze stack std sum switch tanh tile transpose var zeros_like
        keras.loop: rnn
    """,
    "tf.keras.preprocessing.sequence": """
        keras.preprocessing: pad_sequences
    """,
    "tf.keras.preprocessing.text": """
        keras.preprocessing: Tokenizer text_to_word_sequence
    """,
}

# Namespaces with the names of others.
ALIASES = {
    "tf.compat.v1": "tf",
    "tf.contrib.crf.python.ops.crf": "tf.contrib.crf",
    "tf.contrib.legacy_seq2seq.python.ops.seq2seq": "tf.contrib.legacy_seq2seq",
    "tf.contrib.nn": "tf.nn",
    "tf.contrib.rnn.core_rnn_cell": "tf.contrib.rnn",
    "tf.contrib.rnn.python.ops.core_rnn_cell": "tf.contrib.rnn",
    "tf.contrib.rnn.python.ops.rnn": "tf.contrib.rnn",
    "tf.contrib.rnn.python.ops.rnn_cell": "tf.contrib.rnn",
    "tf.contrib.seq2seq.python.ops.attention_wrapper": "tf.contrib.seq2seq",
    "tf.contrib.seq2seq.python.ops.basic_decoder": "tf.contrib.seq2seq",
    "tf.contrib.seq2seq.python.ops.beam_search_decoder": "tf.contrib.seq2seq",
    "tf.contrib.seq2seq.python.ops.decoder": "tf.contrib.seq2seq",
    "tf.contrib.seq2seq.python.ops.helper": "tf.contrib.seq2seq",
    "tf.contrib.summary": "tf.summary",
    "tf.flags": "tf.app.flags",
    "tf.python.framework.constant_op": "tf",
    "tf.python.framework.dtypes": "tf",
    "tf.python.framework.ops": "tf",
    "tf.python.framework.sparse_tensor": "tf",
    "tf.python.framework.tensor_shape": "tf",
    "tf.python.layers.core": "tf.layers",
    "tf.python.ops.array_ops": "tf",
    "tf.python.ops.clip_ops": "tf",
    "tf.python.ops.control_flow_ops": "tf",
    "tf.python.ops.embedding_ops": "tf.nn",
    "tf.python.ops.gradients": "tf",
    "tf.python.ops.gradients_impl": "tf",
    "tf.python.ops.init_ops": "tf",
    "tf.python.ops.losses.losses": "tf.losses",
    "tf.python.ops.math_ops": "tf",
    "tf.python.ops.nn": "tf.nn",
    "tf.python.ops.nn_impl": "tf.nn",
    "tf.python.ops.nn_ops": "tf.nn",
    "tf.python.ops.random_ops": "tf",
    "tf.python.ops.rnn": "tf.nn",
    "tf.python.ops.rnn_cell": "tf.contrib.rnn",
    "tf.python.ops.rnn_cell_impl": "tf.nn.rnn_cell",
    "tf.python.ops.script_ops": "tf",
    "tf.python.ops.seq2seq": "tf.nn.seq2seq",
    "tf.python.ops.sparse_ops": "tf",
    "tf.python.ops.state_ops": "tf",
    "tf.python.ops.tensor_array_ops": "tf",
    "tf.python.ops.variable_scope": "tf",
    "tf.python.ops.variables": "tf",
    "tf.python.platform.flags": "tf.app.flags",
    "tf.python.platform.gfile": "tf.gfile",
    "tf.python.platform.tf_logging": "tf.logging",
    "tf.python.training.moving_averages": "tf.train",
    "tf.python.training.saver": "tf.train",
    "tf.python.util.nest": "tf.contrib.framework.nest",
}

_OUTSIDE = "it is not part of recurrent programs"
_LOOP = "write the training loop with sess.run"
_TEXTS = "work on texts in Python, look the numbers up in a dict and feed them"
_ATTENTION = (
    "TensorFlow removed it in version 1.2; write tf.contrib.seq2seq.BasicDecoder with "
    "tf.contrib.seq2seq.AttentionWrapper and tf.contrib.seq2seq.dynamic_decode"
)

# What to write for names that are not provided, and for all names in them.
INSTEAD = {
    "tf.contrib.cudnn_rnn": "it needs a GPU; write tf.contrib.rnn.LSTMBlockFusedCell",
    "tf.contrib.data": "write tf.data.Dataset.padded_batch, or group the sequences in Python",
    "tf.contrib.estimator": _OUTSIDE,
    "tf.contrib.keras": "write tf.keras",
    "tf.contrib.learn": _LOOP,
    "tf.contrib.lite": "ostinato exports a layer to ONNX and to C",
    "tf.contrib.lookup": _TEXTS,
    "tf.contrib.seq2seq.attention_decoder_fn_inference": _ATTENTION,
    "tf.contrib.seq2seq.attention_decoder_fn_train": _ATTENTION,
    "tf.contrib.seq2seq.dynamic_rnn_decoder": (
        "TensorFlow removed it in version 1.2; write tf.contrib.seq2seq.dynamic_decode with a "
        "tf.contrib.seq2seq.BasicDecoder"
    ),
    "tf.contrib.seq2seq.prepare_attention": _ATTENTION,
    "tf.contrib.seq2seq.simple_decoder_fn_inference": (
        "TensorFlow removed it in version 1.2; write tf.contrib.seq2seq.BasicDecoder with a "
        "tf.contrib.seq2seq.GreedyEmbeddingHelper"
    ),
    "tf.contrib.seq2seq.simple_decoder_fn_train": (
        "TensorFlow removed it in version 1.2; write tf.contrib.seq2seq.BasicDecoder with a "
        "tf.contrib.seq2seq.TrainingHelper"
    ),
    "tf.contrib.slim": "write tf.layers and tf.contrib.layers",
    "tf.contrib.tensorboard": "remove the projector, it only shows embeddings",
    "tf.data.get_output_classes": "TensorFlow 1.13 does not have it; values are tensors: remove it",
    "tf.data.get_output_shapes": "TensorFlow 1.13 does not have it; write dataset.output_shapes",
    "tf.data.get_output_types": "TensorFlow 1.13 does not have it; write dataset.output_types",
    "tf.debugging": "write tf.Assert and tf.assert_equal",
    "tf.decode_raw": "write numpy.frombuffer and feed the array",
    "tf.distribute": "there is one device: remove it",
    "tf.enable_eager_execution": "there are graphs only; write sess.run, or use ostinato's layers",
    "tf.estimator": _LOOP,
    "tf.feature_column": _OUTSIDE,
    "tf.image": _OUTSIDE,
    "tf.lite": "ostinato exports a layer to ONNX and to C",
    "tf.merge_all_summaries": "write tf.summary.merge_all()",
    "tf.mul": "write tf.multiply",
    "tf.neg": "write tf.negative",
    "tf.nn.conv3d": _OUTSIDE,
    "tf.pack": "write tf.stack",
    "tf.python.ops.lookup_ops": _TEXTS,
    "tf.python.debug": "write tf.Print or sess.run to see values",
    "tf.read_file": "read the file in Python and feed its content",
    "tf.regex_replace": _TEXTS,
    "tf.saved_model": "write tf.train.Saver; ostinato exports a layer to ONNX and to C",
    "tf.scalar_summary": "write tf.summary.scalar(name, tensor)",
    "tf.select": "write tf.where",
    "tf.histogram_summary": "write tf.summary.histogram(name, tensor)",
    "tf.spectral": _OUTSIDE,
    "tf.string_split": _TEXTS,
    "tf.string_to_hash_bucket": _TEXTS,
    "tf.string_to_number": _TEXTS,
    "tf.strings": _TEXTS,
    "tf.substr": _TEXTS,
    "tf.sub": "write tf.subtract",
    "tf.train.experimental": "numbers stay float32 and float64: remove it",
    "tf.unpack": "write tf.unstack",
}
