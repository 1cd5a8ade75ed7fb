"""What counts as a file that computes what its network does."""

import pytest

from instageo.model.exports.gate import LIMITS, GateComparison


def comparison(**values):
    return GateComparison({"a", "b"}, **{"compared": 10_000, "agreeing": 10_000, **values})


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ({}, None),
        ({"agreeing": 9_990}, None),  # 99.9 %
        ({"agreeing": 9_989}, r"classes agree on 99.8900% of 10000 outputs of 2 chips, expected at least 99.9%"),
        ({"largest": 0.02}, "a probability differs by 0.02, expected at most 0.01"),
        ({"scores": (0.8, 0.7995)}, None),
        ({"scores": (0.8, 0.79)}, r"mIoU on the labels is 0.7900 in place of 0.8000"),
        ({"scores": (0.8, float("nan"))}, "mIoU on the labels"),
        ({"scores": (float("nan"), float("nan"))}, None),
        ({"compared": 0, "agreeing": 0}, "no pixel of the chips was observed"),
        ({"spread": 2.0, "largest": 30.0, "agreeing": 9_000}, "values within 1% of their spread agree on 90"),
    ],
)
def test_faults_in_float32(values, fault):
    found = comparison(**values).find_fault("mIoU", LIMITS["f32"])
    assert found is None if fault is None else fault in found


def test_int8_may_differ_by_one_percent_and_half_a_point():
    limits = LIMITS["int8"]
    assert comparison(agreeing=9_900, largest=0.4, scores=(0.8, 0.7951)).find_fault("mIoU", limits) is None
    assert "expected at least 99.0%" in comparison(agreeing=9_899).find_fault("mIoU", limits)
    assert "in place of" in comparison(scores=(0.8, 0.794)).find_fault("mIoU", limits)


def test_an_error_may_rise_by_a_share():
    assert comparison(spread=1.0, scores=(10.0, 10.005)).find_fault("rmse", LIMITS["f32"]) is None
    assert "rmse" in comparison(spread=1.0, scores=(10.0, 10.2)).find_fault("rmse", LIMITS["f32"])
    assert comparison(spread=1.0, scores=(10.0, 9.0)).find_fault("rmse", LIMITS["f32"]) is None


def test_the_record_says_what_was_compared():
    record = comparison(largest=1e-6, scores=(0.8, 0.8)).to_dict("mIoU", LIMITS["f32"])
    assert record == {
        "chips": 2, "compared": 10_000, "agreement": 1.0, "required_agreement": 0.999,
        "largest_probability_difference": 1e-6, "score": {"name": "mIoU", "network": 0.8, "export": 0.8},
    }  # fmt: skip
    values = comparison(largest=0.5, spread=2.0).to_dict("rmse", LIMITS["f32"])
    assert (values["relative_to_spread"], values["tolerance"]) == (0.25, 0.01)
