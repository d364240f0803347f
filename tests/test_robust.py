"""What attacks and other people's bug reports taught: 21 points, and the tests that hold each.

    python tests/test_robust.py

writes the table of them, benchmarks/results/robust.md, anew. Each line of `POINTS` is what has to
hold, and the tests of it; a test that is renamed or removed is missed here.
"""

import ast
import functools
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TABLE = ROOT / "benchmarks" / "results" / "robust.md"
POINTS = {
    "A1": {
        "live waits for files that still grow": [
            "cli/test_live.py::test_a_file_that_is_being_written_is_waited_for",
            "io/test_watching.py::test_what_was_just_written_is_left_alone_until_it_settles",
            "io/test_watching.py::test_half_a_file_is_looked_at_again_when_it_has_grown",
        ],
        "a source that changes after it was taken is taken again": [
            "io/test_watching.py::test_what_changes_after_it_was_taken_is_taken_again",
            "io/test_watching.py::test_what_is_written_while_it_is_read_is_read_again",
            "io/test_watching.py::test_a_movie_that_is_a_folder_changes_as_any_file_in_it_does",
            "io/test_watching.py::test_a_file_of_the_same_size_and_time_is_another_if_it_was_renamed_there",
        ],
        "a format's own count of valid frames decides": [
            "io/test_tia.py::test_ser_of_a_stopped_series",
        ],
        "trailing frames of nothing wait": [
            "cli/test_live.py::test_room_that_was_made_beforehand_is_no_frame",
        ],
    },
    "A2": {
        "the own clock tells whether a file has changed": [
            "io/test_watching.py::test_the_clock_of_the_microscope_may_be_ahead_or_behind",
        ],
    },
    "A3": {
        "a second training in a folder is refused, with who holds it": [
            "folder/test_folder.py::test_two_trainings_do_not_share_a_folder",
            "folder/test_folder.py::test_a_training_that_was_killed_keeps_nobody_out",
            "folder/test_folder.py::test_a_lock_that_leads_out_of_the_folder_is_not_followed",
        ],
    },
    "A4": {
        "an input that is written to while it is read gives no result": [
            "io/test_unchanged.py::test_denoise_writes_no_mixture",
            "io/test_unchanged.py::test_no_frame_of_another_movie_comes_out",
            "io/test_unchanged.py::test_files_that_belong_to_the_one_that_was_opened",
            "io/test_unchanged.py::test_a_folder_that_is_one_movie",
        ],
    },
    "A5": {
        "one vocabulary of units for all readers": [
            "io/test_units.py::test_pint_agrees",
            "io/test_units.py::test_lengths_of_ome_zarr",
            "io/test_calibration.py::test_units_are_understood",
            "io/test_calibration.py::test_units_that_are_not_understood_are_named",
        ],
        "uneven axes get no invented step": [
            "io/test_calibration.py::test_uneven_axes_get_no_invented_step",
        ],
        "every reader warns of pixels that are not square": [
            "io/test_calibration.py::test_pixels_that_are_not_square_are_named",
            "io/test_calibration.py::test_nothing_is_said_of_square_pixels",
        ],
        "images of different pixel size are not joined, in any reader": [
            "io/test_calibration.py::test_images_of_different_pixel_size_are_refused",
        ],
    },
    "A6": {
        "names of axes win over positions": [
            "io/test_axis_order.py::test_names_say_which_axis_is_which",
            "io/test_axis_order.py::test_a_time_axis_is_told_by_its_unit_and_the_image_is_what_is_left",
            "io/test_axis_order.py::test_unnamed_axes_are_taken_by_position",
        ],
    },
    "A7": {
        "number types as the formats' standards say": [
            "io/test_mrc.py::test_each_mode_in_both_byte_orders",
            "io/test_mrc.py::test_bytes_of_imod_say_whether_they_have_a_sign",
            "io/test_number_types.py::test_ser",
            "io/test_number_types.py::test_gatan",
            "io/test_number_types.py::test_tiff",
        ],
    },
    "A8": {
        "more than the header says is named": [
            "io/test_more_or_less.py::test_pages_that_are_not_described_are_named",
            "io/test_more_or_less.py::test_arrays_behind_a_header_that_says_less",
            "io/test_more_or_less.py::test_a_large_file_of_imagej_that_holds_more",
        ],
        "of an aborted movie what was acquired is read": [
            "io/test_more_or_less.py::test_of_an_aborted_movie_what_was_acquired_is_read",
            "io/test_more_or_less.py::test_a_frame_of_which_a_detector_is_missing_is_not_read",
            "io/test_more_or_less.py::test_planes_missing_in_between_are_refused",
        ],
        "many unnamed detectors are asked about": [
            "io/test_more_or_less.py::test_twelve_detectors_without_names_are_asked_about",
        ],
        "an OME-TIFF that points to another file says so": [
            "io/test_more_or_less.py::test_a_description_in_another_file_is_said",
        ],
    },
    "A9": {
        "frames in which one detector is blank, and rows that stopped, are found": [
            "noise/test_empty.py::test_a_scan_that_stopped",
            "noise/test_empty.py::test_a_blank_detector_is_empty_throughout",
            "noise/test_empty.py::test_dark_backgrounds_and_few_counts_are_no_gaps",
        ],
        "named": [
            "test_normalize.py::test_what_is_left_out_of_a_detector_is_said_by_name",
        ],
        "and left out for that detector": [
            "test_normalize.py::test_a_blank_detector_is_left_out_of_its_own_statistics_alone",
            "test_normalize.py::test_rows_of_a_scan_that_stopped_are_left_out",
            "training/test_data.py::test_nothing_is_learnt_from_rows_that_say_nothing",
            "test_limits.py::test_what_is_empty_of_a_detector_does_not_count",
        ],
    },
    "A10": {
        "repeated frames are named by info and train": [
            "noise/test_repeated.py::test_info_and_training_name_repeated_frames",
            "noise/test_repeated.py::test_blank_and_sound_frames_are_not_called_repeated",
        ],
        "spikes are named and do not set sigma": [
            "noise/test_spikes.py::test_sigma_is_that_of_the_noise",
            "noise/test_spikes.py::test_info_names_them",
            "noise/test_spikes.py::test_noise_counts_and_atoms_are_no_spikes",
            "training/test_plan.py::test_many_spikes_are_announced",
        ],
    },
    "A11": {
        "masks are respected or refused": [
            "io/test_odd_values.py::test_masked_values_are_refused",
            "io/test_odd_values.py::test_a_mask_that_masks_nothing_is_no_mask",
        ],
        "what float32 cannot hold is refused with the way out": [
            "io/test_odd_values.py::test_what_float32_cannot_hold_is_refused_with_the_way_out",
            "io/test_odd_values.py::test_the_way_out_works",
            "io/test_odd_values.py::test_what_float32_holds_is_taken",
        ],
    },
    "A12": {
        "run.yaml stays until a training is accepted": [
            "cli/test_train.py::test_a_training_that_is_refused_leaves_the_options_of_the_one_before",
            "cli/test_train.py::test_what_is_refused_leaves_no_trace",
        ],
    },
    "A13": {
        "folders that are movies and linked ones are found": [
            "cli/test_movie_files.py::test_folders_that_are_movies_and_linked_ones_are_found",
        ],
    },
    "A14": {
        "words follow the numbers and their errors": [
            "noise/test_words.py::test_what_is_said_of_correlation",
            "noise/test_words.py::test_what_is_said_of_signal_and_noise",
        ],
    },
    "B15": {
        "a full disk while weights are written": [
            "test_atomic.py::test_a_disk_without_room_crashes_nothing",
            "test_atomic.py::test_a_full_disk_is_said_with_the_space_left",
            "training/test_run.py::test_a_full_disk_leaves_the_version_before",
        ],
        "no half folder under the final name": [
            "test_atomic.py::test_a_folder_that_fails_leaves_nothing",
        ],
    },
    "C16": {
        "nothing in a folder leads out of it": [
            "folder/test_bombs.py::test_tensorboard_writes_into_no_linked_folder",
            "folder/test_bombs.py::test_folders_in_a_folder_are_no_links",
            "folder/test_folder.py::test_links_that_leave_the_folder_are_refused",
            "folder/test_folder.py::test_a_checkpoint_that_is_a_link_is_never_followed",
            "training/test_checkpoint.py::test_an_epoch_of_elsewhere_is_not_read",
        ],
    },
    "C17": {
        "exports of others are not opened": [
            "folder/test_seal.py::test_forged_graphs_are_not_opened",
            "folder/test_seal.py::test_another_account_makes_its_own",
            "folder/test_export.py::test_graphs_are_not_trusted",
        ],
        "a folder without weights predicts nothing": [
            "folder/test_bombs.py::test_a_folder_without_weights_predicts_nothing",
        ],
    },
    "D18": {
        "sizes are looked at first": [
            "folder/test_bombs.py::test_a_network_larger_than_its_weights_is_not_built",
            "folder/test_bombs.py::test_weights_are_plain_arrays",
            "folder/test_bombs.py::test_distances_beyond_a_frame_are_its_sides",
            "folder/test_seal.py::test_huge_graphs_are_refused_by_their_size",
            "io/test_npz.py::test_sizes_are_looked_at_first",
            "io/test_guard.py::test_movies_that_declare_more_than_their_file_can_hold",
            "io/test_guard.py::test_well_compressed_movies_are_read",
            "cli/test_run_files.py::test_files_that_unfold_are_refused",
            "training/test_checkpoint.py::test_states_that_cannot_be_are_damaged",
        ],
    },
    "E19": {
        "what comes from files is escaped where it is printed": [
            "test_escaping.py::test_what_is_not_printable_is_written_out",
            "test_escaping.py::test_every_warning_is_escaped_or_constant",
            "test_escaping.py::test_the_command_line_prints_in_one_place",
            "test_escaping.py::test_files_with_odd_names_are_shown",
            "test_escaping.py::test_provenance_of_a_file_is_shown",
        ],
    },
    "F20": {
        "damaged HDF5 neither hangs nor crashes": [
            "io/test_guard.py::test_a_file_that_hangs_the_library_is_given_up",
            "io/test_guard.py::test_a_file_that_crashes_the_library_is_given_up",
            "io/test_guard.py::test_whatever_a_reader_raises_is_an_own_error",
        ],
        "records and states of odd shapes": [
            "folder/test_bombs.py::test_runs_of_odd_shapes_are_damaged",
            "folder/test_record.py::test_a_record_that_was_tampered_with_is_refused",
            "training/test_checkpoint.py::test_arrays_that_are_none_are_damaged",
        ],
        "npz, ONNX and YAML": [
            "io/test_npz.py::test_one_array_opens",
            "io/test_npz.py::test_what_cannot_be_a_movie_is_left_aside",
            "folder/test_seal.py::test_what_an_engine_cannot_open_is_an_own_error",
            "cli/test_run_files.py::test_bad_files_are_explained",
        ],
        "names that no file has": ["io/test_guard.py::test_names_that_no_file_has"],
        "odd objects and arguments": [
            "io/test_guard.py::test_what_is_no_movie_is_said",
            "io/test_guard.py::test_dask_arrays_of_unknown_length_say_what_to_do",
            "prediction/test_odd_arguments.py::test_tiles_are_two_whole_numbers",
            "prediction/test_odd_arguments.py::test_streams_are_of_numbers",
            "prediction/test_odd_arguments.py::test_frames_of_a_stream_may_change_their_shape",
            "prediction/test_odd_arguments.py::test_no_atoms_have_no_tracks",
        ],
    },
    "G21": {
        "odd standard streams": [
            "cli/test_streams.py::test_odd_streams_change_nothing",
            "cli/test_streams.py::test_a_full_output_is_said",
            "cli/test_streams.py::test_closed_streams_are_not_taken_by_files",
        ],
        "file names that are not UTF-8": ["cli/test_streams.py::test_names_that_are_no_utf_8"],
        "more threads than any machine has": [
            "prediction/test_odd_arguments.py::test_more_threads_than_any_machine_has_are_refused",
        ],
        "temporaries of killed runs are removed by the next one": [
            "test_atomic.py::test_what_a_killed_process_left_is_removed_by_the_next_write",
            "test_atomic.py::test_what_a_killed_process_left_half_done_is_removed_by_the_next_one",
        ],
        "dry runs refuse what runs refuse": [
            "folder/test_bombs.py::test_dry_runs_refuse_what_runs_refuse",
        ],
    },
}  # fmt: skip
NAMES = [
    *(f"A{n}" for n in range(1, 15)),
    *("B15", "C16", "C17", "D18", "E19", "F20", "G21"),
]


@functools.cache
def names_in(file: str) -> frozenset:
    """Names of the functions in a file of tests."""
    tree = ast.parse((ROOT / "tests" / file).read_text(encoding="utf-8"))
    return frozenset(f.name for f in tree.body if isinstance(f, ast.FunctionDef))


def table() -> str:
    """The points as a table."""
    lines = [
        "# What must hold, and the tests of it",
        "",
        "Made by `python tests/test_robust.py`: the faults that attacks and other people's bug "
        "reports showed, and what keeps them from coming back.",
        "",
        "| point | what must hold | tests |",
        "|---|---|---|",
    ]
    for point, sentences in POINTS.items():
        for sentence, tests in sentences.items():
            named = "<br>".join(f"`{test}`" for test in tests)
            lines.append(f"| {point} | {sentence} | {named} |")
    n_tests = len({t for of in POINTS.values() for tests in of.values() for t in tests})
    return "\n".join([*lines, "", f"{len(POINTS)} points, {n_tests} tests.", ""])


@pytest.mark.parametrize("point", NAMES)
def test_each_point_has_tests_that_exist(point):
    for sentence, tests in POINTS[point].items():
        assert tests, sentence
        for test in tests:
            file, _, name = test.partition("::")
            assert name in names_in(file), f"{point}, {sentence}: {test} is gone"


def test_no_point_is_left_out_and_the_table_is_this_one():
    assert list(POINTS) == NAMES
    assert TABLE.read_text(encoding="utf-8") == table(), "run python tests/test_robust.py"


if __name__ == "__main__":
    TABLE.write_text(table(), encoding="utf-8")
    print(table())
