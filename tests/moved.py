"""Which tests `make slow` runs and `make test` does not, for they take long and others of `make
test` find the same faults, if less often.

A test of many parametrizations keeps a part of them; which ones depends on their names alone.
"""

import zlib
from collections.abc import Sequence

# The test, below tests/: one in how many of its parametrizations stays in `make test`, 0 where none
# does, or the names of those that do not. Then what `make test` still has of the same kind.
MOVED: dict[str, tuple[int | set[str], str]] = {
    "nn/test_torch_layers.py::test_every_cell_agrees_with_the_reference_in_float64": (
        6,
        "test_every_cell.py and test_random_cells.py have every cell and operation",
    ),
    "nn/test_torch_modules.py::test_outputs_states_and_gradients_are_those_of_torch_nn": (
        4,
        "test_torch_layers.py compares with torch.nn on its own inputs",
    ),
    "nn/test_torch_layers.py::test_second_gradients_are_finite_differences": (3, "other cells"),
    "nn/test_torch_layers.py::test_gradients_are_finite_differences": (3, "other cells"),
    "nn/test_torch_layers.py::test_a_ragged_batch_is_each_row_alone": (3, "other cells"),
    "nn/test_checkpoint.py::test_gradients_are_finite_differences": (4, "other cells"),
    "nn/test_checkpoint.py::test_every_cell_has_the_same_results_and_gradients": (
        4,
        "other cells",
    ),
    "nn/test_regularisation.py::test_both_engines_agree_with_the_same_seed": (3, "other rates"),
    "nn/test_regularisation.py::test_without_a_row_or_a_step_gradients_are_zero": (
        3,
        "other rates",
    ),
    "nn/test_regularisation.py::test_the_mean_over_many_draws_is_what_comes_out_outside_training": (
        4,
        "the masks themselves are compared with their rule",
    ),
    "engines/test_operand_sizes.py::test_both_engines_agree_on_values_of_different_sizes": (
        4,
        "test_random_cells.py has values of one unit next to values of several",
    ),
    "engines/test_unused_parts.py::test_both_engines_agree_on_cells_that_use_little": (
        5,
        "other cells of the same test",
    ),
    "engines/test_unused_parts.py::test_masks_of_one_unit_reach_all_units": (3, "other cells"),
    "engines/test_executable.py::test_states_that_are_given": (6, "other combinations"),
    "engines/test_executable.py::test_layers_one_above_another_and_in_both_directions_and_without_"
    "biases": (4, "other combinations"),
    "engines/test_executable.py::test_a_repeated_call_gives_what_others_give": (
        4,
        "other combinations",
    ),
    "engines/test_executable.py::test_rows_of_unequal_lengths": (4, "other combinations"),
    "engines/test_precision.py::test_every_cell_is_the_reference_rounded": (4, "other cells"),
    "engines/test_precision.py::test_any_number_of_threads_rounds_the_same": (3, "other cells"),
    "engines/test_precision.py::test_a_step_of_numbers_that_are_bfloat16_is_as_near_as_float32": (
        3,
        "other cells",
    ),
    "engines/test_shapes.py::test_a_random_case_agrees_with_the_reference_in_float64": (
        3,
        "test_random_cells.py draws shapes too",
    ),
    "engines/test_cpu.py::test_kernels_of_every_width_agree": (4, "other cells of each width"),
    "engines/test_cpu.py::test_any_number_of_threads_gives_the_same": (3, "other cells"),
    "engines/test_reductions.py::test_what_is_equal_in_all_units_is_normalised_to_0_with_its_"
    "gradient": (4, "other sizes"),
    "engines/test_reductions.py::test_equal_numbers_do_not_differ_from_their_mean": (
        4,
        "other sizes",
    ),
    "engines/test_reductions.py::test_normalised_zeros_have_the_same_gradients_on_both_engines": (
        4,
        "other sizes",
    ),
    "engines/test_bound.py::test_a_second_call_gives_what_the_first_gave": (3, "other cells"),
    "engines/kernels/test_jit.py::test_an_openmp_of_fewer_threads_keeps_none_waiting": (
        3,
        "one of the three limits",
    ),
    "cells/test_contrib.py::test_the_compiled_engine_agrees_with_the_reference": (
        4,
        "test_every_cell.py has these cells too",
    ),
    "cells/test_every_cell.py::test_rows_of_any_lengths_have_the_references_numbers_and_"
    "gradients": (2, "test_torch_layers.py has every cell with such rows"),
    "catalogue/test_trained.py::test_a_classifier_of_two_directions_is_made_with_every_cell_of_"
    "one_input": (4, "other cells"),
    "data/test_values.py::test_clips_follow_the_rule": (4, "other rules and sizes"),
    "tasks/test_pretraining.py::test_two_processes_end_as_one_with_the_same_batches": (
        0,
        "training/test_processes.py trains in two processes",
    ),
    "docs/test_lessons.py::test_a_lesson_runs_and_prints_what_it_shows": (
        {"test_a_lesson_runs_and_prints_what_it_shows[5_why_lstm.ipynb]"},
        "the other lessons; this one trains for half a minute",
    ),
    "tasks/test_pretraining.py::test_a_run_broken_off_ends_as_one_that_was_not": (
        4,
        "other moments; training/test_loop.py breaks runs off too",
    ),
    "tasks/test_sentences.py::test_a_model_that_writes_nothing_is_measured_told_and_used": (
        4,
        "other tasks and commands",
    ),
    "tasks/test_translate.py::test_a_run_broken_off_ends_as_one_that_was_not": (
        2,
        "another moment",
    ),
    "tasks/test_damaged_models.py::test_damaged_models_are_one_error": (
        0,
        "the readers of each file have tests of damaged files",
    ),
    "cli/test_signals.py::test_a_run_that_a_signal_stops_says_how_to_continue": (
        3,
        "one of the three signals",
    ),
    "cli/test_signals.py::test_a_run_goes_on_where_nobody_reads_its_messages": (
        0,
        "cli/test_main.py closes streams",
    ),
    "cli/test_signals.py::test_a_run_whose_terminal_is_gone_ends_without_a_traceback": (
        0,
        "a run under nohup, in the same file",
    ),
    "engines/kernels/test_jit.py::test_a_fork_while_kernels_are_made_keeps_no_child_waiting": (
        0,
        "test_a_child_runs_a_layer_on_threads_as_its_parent_has forks too",
    ),
    "engines/kernels/test_jit.py::test_a_child_runs_a_layer_on_threads_as_its_parent_has": (
        2,
        "one of two ways to start a child",
    ),
    "engines/kernels/test_jit.py::test_eight_python_threads_get_what_one_gets": (
        3,
        "other cells",
    ),
    "engines/kernels/test_jit.py::test_a_child_of_another_python_thread_runs_a_layer": (
        0,
        "test_a_child_runs_a_layer_on_threads_as_its_parent_has",
    ),
    "engines/kernels/test_jit.py::test_backward_keeps_the_kernels_of_a_deleted_cell": (
        2,
        "one of two engines",
    ),
    "engines/test_bound.py::test_a_stream_of_stacked_layers_gives_what_the_layer_gives": (
        3,
        "other cells",
    ),
    "engines/test_executable.py::test_a_repeated_call_draws_the_same_masks": (3, "other cells"),
    "nn/test_torch_layers.py::test_drop_ins_equal_torch_nn": (3, "other arguments"),
    "nn/test_checkpoint.py::test_float32_is_as_near_the_truth_as_without": (3, "other cells"),
    "nn/test_checkpoint.py::test_second_gradients_are_finite_differences": (3, "other cells"),
    "cells/test_every_cell.py::test_a_row_alone_with_its_products_made_outside_the_loop_has_the_"
    "references_numbers": (2, "other cells"),
    "tasks/test_tag.py::test_korean_words_are_tagged_from_two_readings_of_a_treebank": (
        0,
        "tests of the readers of treebanks, and of tagging",
    ),
    "tasks/test_classify.py::test_words_are_read_by_their_characters_where_tokens_are_words": (
        0,
        "tests of the tokens",
    ),
    "tasks/test_translate.py::test_a_sentence_is_written_that_stands_the_other_way_round": (
        2,
        "one of two kinds of attention",
    ),
    "tasks/test_caption.py::test_a_run_broken_off_ends_as_one_that_was_not": (
        0,
        "the same test of translate, which has the same loop",
    ),
    "tasks/test_transcribe.py::test_a_run_broken_off_ends_as_one_that_was_not": (
        0,
        "the same test of translate, which has the same loop",
    ),
    "tasks/test_pretraining.py::test_any_reader_of_texts_learns_so": (3, "other tasks"),
    "bench/test_memory.py::test_training_takes_what_it_keeps_and_less_with_checkpoints": (
        0,
        "the other tests of that file",
    ),
    "bench/test_regularisers.py::test_the_command_line_has_it": (
        0,
        "test_each_regulariser_is_timed_next_to_the_layer_without",
    ),
    "cli/test_main.py::test_characters_come_one_at_a_time": (0, "tests of generate"),
    "cli/test_main.py::test_a_reader_that_has_gone_is_not_an_error": (3, "other commands"),
    "cli/test_main.py::test_a_standard_stream_may_be_closed": (3, "other streams"),
    "nn/test_overrides.py::test_a_graph_without_breaks_is_refused_with_what_to_do": (
        2,
        "other layers",
    ),
    "test_use.py::test_the_command_as_printed_answers_or_asks_at_a_terminal": (3, "other tasks"),
    "training/test_kill.py::test_a_killed_run_ends_with_the_numbers_of_one_that_was_not": (
        0,
        "training/test_loop.py breaks runs off, and data/test_files.py stops a process",
    ),
    "tasks/test_classify.py::test_a_run_broken_off_ends_as_one_that_was_not": (4, "other moments"),
    "tasks/test_classify.py::test_any_cell_can_be_taken": (4, "other cells"),
    "tasks/test_tag.py::test_a_run_broken_off_ends_as_one_that_was_not": (4, "other moments"),
    "tasks/test_tag.py::test_any_cell_can_be_taken": (4, "other cells"),
    "tasks/test_forecast.py::test_a_run_broken_off_ends_as_one_that_was_not": (4, "other moments"),
    "tasks/test_frames.py::test_a_run_broken_off_ends_as_one_that_was_not": (4, "other moments"),
    "tasks/test_frames.py::test_any_cell_can_be_taken": (4, "other cells"),
    "tasks/test_seq2seq.py::test_any_cell_can_be_taken": (4, "other cells"),
    "nn/test_torch_layers.py::test_a_stream_equals_the_layer": (3, "other cells"),
    "engines/test_precision.py::test_a_processor_without_the_instructions_computes_the_same": (
        3,
        "one of three shapes",
    ),
    "engines/test_precision.py::test_whole_numbers_are_rounded_alike_by_both_engines": (
        3,
        "other cells",
    ),
    "engines/test_cpu.py::test_a_first_call_in_inference_mode_leaves_nothing_that_training_cannot_"
    "use": (3, "other cells"),
    "engines/test_unused_parts.py::test_a_stream_of_a_cell_that_uses_little_gives_the_layers_"
    "outputs": (4, "other cells"),
    "engines/kernels/test_jit.py::test_workers_of_a_data_loader_run_a_layer": (
        0,
        "test_a_child_runs_a_layer_on_threads_as_its_parent_has",
    ),
    "language/test_equations.py::test_printed_equations_of_random_cells_give_their_graphs": (
        2,
        "other cells",
    ),
    "test_inspection.py::test_the_states_are_those_of_the_layer": (3, "other cells"),
    "tasks/test_forecast.py::test_another_unit_and_another_level_give_the_same_forecast": (
        2,
        "other units",
    ),
    "tasks/test_forecast.py::test_daily_temperatures_are_forecast_better_than_by_the_last_value": (
        0,
        "tests of made-up series",
    ),
    "tasks/test_classify.py::test_text_is_read_as_tokens_of_any_kind": (3, "tests of the tokens"),
    "tasks/test_pretraining.py::test_words_known_from_plain_texts_alone_are_told_apart": (
        0,
        "test_any_reader_of_texts_learns_so",
    ),
    "tasks/test_pretraining.py::test_a_model_needs_its_plain_texts_no_more": (
        0,
        "test_a_run_broken_off_ends_as_one_that_was_not",
    ),
    "tasks/test_translate.py::test_attention_looks_at_the_word_that_is_written": (
        0,
        "tests of attention in nn/",
    ),
    "tasks/test_seq2seq.py::test_it_learns_to_turn_a_sequence_round": (2, "other layers"),
    "tasks/test_generate.py::test_a_text_read_in_tiny_chunks_gives_the_same_model": (
        2,
        "other tokens",
    ),
    "tasks/test_generate.py::test_every_cell_makes_a_language_model_whose_state_carries_over": (
        3,
        "other cells",
    ),
    "tasks/test_forecast.py::test_any_layer_can_be_taken": (3, "other layers"),
    "catalogue/test_trained.py::test_every_cell_that_takes_one_input_is_trained_in_both_tasks": (
        0,
        "the other test of that file",
    ),
    "bench/test_ragged.py::test_the_command_prints_tables_and_writes_everything": (
        0,
        "the other tests of that file",
    ),
    "bench/test_bench.py::test_a_peer_computes_what_torch_does": (3, "other settings"),
    "bench/test_bench.py::test_a_peer_is_timed": (2, "other settings"),
    "cli/test_main.py::test_a_pipe_that_would_be_read_twice_is_refused": (4, "other commands"),
    "bench/test_roofline.py::test_the_picture_has_every_row_and_its_labels_cover_neither_each_"
    "other_nor_points": (0, "test_the_command_prints_tables_and_draws draws a small one"),
    "bench/test_bench.py::test_an_own_cell_is_held_against_the_built_in_lstm_and_a_loop": (
        3,
        "other settings",
    ),
}


def moved(test: str, names: Sequence[str]) -> set[str]:
    """The parametrizations of a test that `make slow` alone runs.

    Args:
        test: The test, as in `MOVED`.
        names: The names of all of its parametrizations.
    """
    rule, _ = MOVED.get(test, (1, ""))
    if isinstance(rule, set):
        return rule & {*names}
    order = sorted(names, key=lambda name: zlib.crc32(name.encode()))
    kept = -(-len(names) // rule) if rule else 0
    return set(order[kept:])
