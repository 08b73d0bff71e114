"""Which tests `make slow` runs and `make test` does not: they take long, and others of `make test`
find the same faults, if less often.
"""

from collections.abc import Sequence

# Tests below tests/, or one of their parametrizations, that `make slow` alone runs; before each,
# what `make test` has of the same kind.
MOVED = [
    # training/test_processes.py trains in two processes.
    "tasks/test_pretraining.py::test_two_processes_end_as_one_with_the_same_batches",
    # The readers of each file have tests of damaged files.
    "tasks/test_damaged_models.py::test_damaged_models_are_one_error",
    # cli/test_main.py closes streams.
    "cli/test_signals.py::test_a_run_goes_on_where_nobody_reads_its_messages",
    # test_a_run_under_nohup_goes_on_when_its_terminal_is_closed.
    "cli/test_signals.py::test_a_run_whose_terminal_is_gone_ends_without_a_traceback",
    # test_a_child_runs_a_layer_on_threads_as_its_parent_has forks too.
    "engines/kernels/test_jit.py::test_a_fork_while_kernels_are_made_keeps_no_child_waiting",
    # test_a_child_runs_a_layer_on_threads_as_its_parent_has.
    "engines/kernels/test_jit.py::test_a_child_of_another_python_thread_runs_a_layer",
    "engines/kernels/test_jit.py::test_workers_of_a_data_loader_run_a_layer",
    # data/ reads treebanks, and tasks/test_tag.py tags smaller texts.
    "tasks/test_tag.py::test_korean_words_are_tagged_from_two_readings_of_a_treebank",
    # data/test_text.py and test_text_is_read_as_tokens_of_any_kind.
    "tasks/test_classify.py::test_words_are_read_by_their_characters_where_tokens_are_words",
    # tasks/test_translate.py breaks a run off: the loop is the same.
    "tasks/test_caption.py::test_a_run_broken_off_ends_as_one_that_was_not",
    "tasks/test_transcribe.py::test_a_run_broken_off_ends_as_one_that_was_not",
    # The other tests of the same file.
    "bench/test_memory.py::test_training_takes_what_it_keeps_and_less_with_checkpoints",
    "bench/test_ragged.py::test_the_command_prints_tables_and_writes_everything",
    # test_each_regulariser_is_timed_next_to_the_layer_without.
    "bench/test_regularisers.py::test_the_command_line_has_it",
    # tasks/test_generate.py writes texts.
    "cli/test_main.py::test_characters_come_one_at_a_time",
    # training/test_loop.py breaks runs off, and data/test_files.py stops a process.
    "training/test_kill.py::test_a_killed_run_ends_with_the_numbers_of_one_that_was_not",
    # The tests of forecast on series that are made up.
    "tasks/test_forecast.py::test_daily_temperatures_are_forecast_better_than_by_the_last_value",
    # test_any_reader_of_texts_learns_so of the same file.
    "tasks/test_pretraining.py::test_words_known_from_plain_texts_alone_are_told_apart",
    # test_a_run_broken_off_ends_as_one_that_was_not of the same file.
    "tasks/test_pretraining.py::test_a_model_needs_its_plain_texts_no_more",
    # nn/test_attention.py.
    "tasks/test_translate.py::test_attention_looks_at_the_word_that_is_written",
    # test_a_classifier_of_two_directions_is_made_with_every_cell_of_one_input.
    "catalogue/test_trained.py::test_every_cell_that_takes_one_input_is_trained_in_both_tasks",
    # test_the_command_prints_tables_and_draws draws a small one.
    "bench/test_roofline.py::test_the_picture_has_every_row_and_its_labels_cover_neither_each_other_nor_points",
    # The other lessons: this one trains for half a minute.
    "docs/test_lessons.py::test_a_lesson_runs_and_prints_what_it_shows[5_why_lstm.ipynb]",
    # The same inputs on the cpu engine.
    "nn/test_torch_modules.py::test_outputs_states_and_gradients_are_those_of_torch_nn[reference-RNN-torch.float32]",
    "nn/test_torch_modules.py::test_outputs_states_and_gradients_are_those_of_torch_nn[reference-RNN-torch.float64]",
    "nn/test_torch_modules.py::test_outputs_states_and_gradients_are_those_of_torch_nn[reference-LSTM-torch.float32]",
    "nn/test_torch_modules.py::test_outputs_states_and_gradients_are_those_of_torch_nn[reference-LSTM-torch.float64]",
    "nn/test_torch_modules.py::test_outputs_states_and_gradients_are_those_of_torch_nn[reference-GRU-torch.float32]",
    "nn/test_torch_modules.py::test_outputs_states_and_gradients_are_those_of_torch_nn[reference-GRU-torch.float64]",
    # test_a_program_continues_from_its_checkpoint_to_the_same_numbers.
    "tf1/test_programs.py::test_a_program_that_draws_numbers_continues_alike_in_any_process",
    # [an old one] of the same test, and the search for functions that depend on the processor.
    "tf1/test_processor.py::test_training_ends_with_the_same_bits_on_another_processor[a wide one]",
    # tf1/test_recorded_programs.py trains with Keras.
    "tf1/test_keras_training.py::test_a_recurrent_model_learns_the_sum_of_a_sequence",
    # tasks/test_classify.py breaks a run off: the loop is the same.
    "tasks/test_translate.py::test_a_run_broken_off_ends_as_one_that_was_not",
    # The examples of the other tasks.
    "docs/test_docstrings.py::test_examples_print_what_they_say[ostinato.tasks.caption]",
    # tf1/test_bundle.py reads and writes small files of all kinds.
    "tf1/test_bundle.py::test_a_hundred_megabytes_are_read_in_seconds",
]

# Tests whose every n-th parametrization stays in `make test`, in their order: n is such that each
# value of most parameters stays.
PART = {
    "exchange/test_onnx.py::test_a_file_computes_its_cell": 3,
    "exchange/test_onnx.py::test_a_layer_of_any_options_is_written_in_evaluation_mode": 3,
    "bench/test_roofline.py::test_the_picture_has_every_row_and_its_labels_cover_neither_each_other_nor_points": 2,
    "engines/test_random_cells.py::test_a_random_cell_agrees_with_the_reference_in_float64": 4,
    "nn/test_torch_modules.py::test_outputs_states_and_gradients_are_those_of_torch_nn": 5,
    "cells/test_every_cell.py::test_rows_of_any_lengths_have_the_references_numbers_and_gradients": 3,
    "nn/test_weight_changes.py::test_every_change_of_a_weight_is_seen": 3,
    "nn/test_torch_layers.py::test_every_cell_agrees_with_the_reference_in_float64": 11,
    "nn/test_torch_layers.py::test_second_gradients_are_finite_differences": 5,
    "nn/test_torch_layers.py::test_gradients_are_finite_differences": 3,
    "nn/test_torch_layers.py::test_a_ragged_batch_is_each_row_alone": 3,
    "nn/test_checkpoint.py::test_gradients_are_finite_differences": 7,
    "nn/test_checkpoint.py::test_every_cell_has_the_same_results_and_gradients": 7,
    "nn/test_regularisation.py::test_both_engines_agree_with_the_same_seed": 4,
    "nn/test_regularisation.py::test_without_a_row_or_a_step_gradients_are_zero": 4,
    "nn/test_regularisation.py::test_the_mean_over_many_draws_is_what_comes_out_outside_training": 4,
    "engines/test_operand_sizes.py::test_both_engines_agree_on_values_of_different_sizes": 5,
    "engines/test_unused_parts.py::test_both_engines_agree_on_cells_that_use_little": 7,
    "engines/test_unused_parts.py::test_masks_of_one_unit_reach_all_units": 3,
    "engines/test_executable.py::test_states_that_are_given": 7,
    "engines/test_executable.py::test_layers_one_above_another_and_in_both_directions_and_without_biases": 5,
    "engines/test_executable.py::test_a_repeated_call_gives_what_others_give": 7,
    "engines/test_executable.py::test_rows_of_unequal_lengths": 5,
    "engines/test_precision.py::test_every_cell_is_the_reference_rounded": 5,
    "engines/test_precision.py::test_any_number_of_threads_rounds_the_same": 5,
    "engines/test_precision.py::test_a_step_of_numbers_that_are_bfloat16_is_as_near_as_float32": 4,
    "engines/test_shapes.py::test_a_random_case_agrees_with_the_reference_in_float64": 3,
    "engines/test_cpu.py::test_kernels_of_every_width_agree": 5,
    "engines/test_cpu.py::test_any_number_of_threads_gives_the_same": 4,
    "engines/test_reductions.py::test_what_is_equal_in_all_units_is_normalised_to_0_with_its_gradient": 5,
    "engines/test_reductions.py::test_equal_numbers_do_not_differ_from_their_mean": 5,
    "engines/test_reductions.py::test_normalised_zeros_have_the_same_gradients_on_both_engines": 5,
    "engines/test_bound.py::test_a_second_call_gives_what_the_first_gave": 3,
    "engines/kernels/test_jit.py::test_an_openmp_of_fewer_threads_keeps_none_waiting": 3,
    "cells/test_contrib.py::test_the_compiled_engine_agrees_with_the_reference": 5,
    "catalogue/test_trained.py::test_a_classifier_of_two_directions_is_made_with_every_cell_of_one_input": 4,
    "tf1/test_programs.py::test_a_program_continues_from_its_checkpoint_to_the_same_numbers": 7,
    "tf1/test_recorded_programs.py::test_a_recorded_program_has_tensorflows_operations_and_values": 2,
    "tf1/test_static.py::test_a_cell_over_steps_with_lengths_gives_tensorflows_numbers_from_its_seed_on": 3,
    "tf1/test_bundle.py::test_a_flipped_bit_in_format_v1_gives_one_clear_error": 3,
    "tf1/test_fast.py::test_a_cell_is_run_by_the_engine_with_its_gradients": 5,
    "data/test_values.py::test_clips_follow_the_rule": 5,
    "tasks/test_pretraining.py::test_a_run_broken_off_ends_as_one_that_was_not": 3,
    "tasks/test_sentences.py::test_a_model_that_writes_nothing_is_measured_told_and_used": 5,
    "cli/test_signals.py::test_a_run_that_a_signal_stops_says_how_to_continue": 3,
    "engines/kernels/test_jit.py::test_a_child_runs_a_layer_on_threads_as_its_parent_has": 2,
    "engines/kernels/test_jit.py::test_eight_python_threads_get_what_one_gets": 3,
    "engines/kernels/test_jit.py::test_backward_keeps_the_kernels_of_a_deleted_cell": 2,
    "engines/test_bound.py::test_a_stream_of_stacked_layers_gives_what_the_layer_gives": 3,
    "engines/test_executable.py::test_a_repeated_call_draws_the_same_masks": 3,
    "nn/test_torch_layers.py::test_drop_ins_equal_torch_nn": 7,
    "nn/test_checkpoint.py::test_float32_is_as_near_the_truth_as_without": 3,
    "nn/test_checkpoint.py::test_second_gradients_are_finite_differences": 3,
    "tasks/test_translate.py::test_a_sentence_is_written_that_stands_the_other_way_round": 2,
    "tasks/test_pretraining.py::test_any_reader_of_texts_learns_so": 3,
    "cli/test_main.py::test_a_reader_that_has_gone_is_not_an_error": 3,
    "cli/test_main.py::test_a_standard_stream_may_be_closed": 3,
    "nn/test_overrides.py::test_a_graph_without_breaks_is_refused_with_what_to_do": 2,
    "test_use.py::test_the_command_as_printed_answers_or_asks_at_a_terminal": 3,
    "tasks/test_classify.py::test_a_run_broken_off_ends_as_one_that_was_not": 4,
    "tasks/test_classify.py::test_any_cell_can_be_taken": 4,
    "tasks/test_tag.py::test_a_run_broken_off_ends_as_one_that_was_not": 4,
    "tasks/test_tag.py::test_any_cell_can_be_taken": 4,
    "tasks/test_forecast.py::test_a_run_broken_off_ends_as_one_that_was_not": 4,
    "tasks/test_frames.py::test_a_run_broken_off_ends_as_one_that_was_not": 4,
    "tasks/test_frames.py::test_any_cell_can_be_taken": 4,
    "tasks/test_seq2seq.py::test_any_cell_can_be_taken": 4,
    "nn/test_torch_layers.py::test_a_stream_equals_the_layer": 3,
    "engines/test_precision.py::test_a_processor_without_the_instructions_computes_the_same": 3,
    "engines/test_precision.py::test_whole_numbers_are_rounded_alike_by_both_engines": 3,
    "engines/test_cpu.py::test_a_first_call_in_inference_mode_leaves_nothing_that_training_cannot_use": 3,
    "engines/test_unused_parts.py::test_a_stream_of_a_cell_that_uses_little_gives_the_layers_outputs": 4,
    "language/test_equations.py::test_printed_equations_of_random_cells_give_their_graphs": 2,
    "test_inspection.py::test_the_states_are_those_of_the_layer": 3,
    "tasks/test_forecast.py::test_another_unit_and_another_level_give_the_same_forecast": 2,
    "tasks/test_classify.py::test_text_is_read_as_tokens_of_any_kind": 3,
    "tasks/test_seq2seq.py::test_it_learns_to_turn_a_sequence_round": 2,
    "tasks/test_generate.py::test_a_text_read_in_tiny_chunks_gives_the_same_model": 2,
    "tasks/test_generate.py::test_every_cell_makes_a_language_model_whose_state_carries_over": 3,
    "tasks/test_forecast.py::test_any_layer_can_be_taken": 3,
    "bench/test_bench.py::test_a_peer_computes_what_torch_does": 5,
    "bench/test_bench.py::test_a_peer_is_timed": 2,
    "cli/test_main.py::test_a_pipe_that_would_be_read_twice_is_refused": 7,
    "bench/test_bench.py::test_an_own_cell_is_held_against_the_built_in_lstm_and_a_loop": 2,
}


def moved(test: str, names: Sequence[str]) -> set[str]:
    """The parametrizations of a test that `make slow` alone runs.

    Args:
        test: The test, as in `MOVED` and `PART`.
        names: The names of its parametrizations that are not slow by themselves, in order.
    """
    kept = {*names[:: PART.get(test, 1)]}
    path, _ = test.split("::")
    return {n for n in names if n not in kept or test in MOVED or f"{path}::{n}" in MOVED}
