"""The distillation loss: only the student changes, and the teacher gets its own bands, normalised its own way."""

from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import nn

from instageo.model import build_network
from instageo.model.augmentations.pipeline import normalize
from instageo.model.chips.sample import Sample
from instageo.model.distillation.feature_matching import FeatureMatchingLoss
from instageo.model.distillation.loss import DistillationLoss, TeacherNetwork
from instageo.model.distillation.soft_targets import soft_class_loss
from instageo.model.losses.cross_entropy import WeightedCrossEntropy

SOFT = partial(soft_class_loss, temperature=2.0)
STUDENT = ("prithvi_eo_v2_600", {"embed_dim": 32, "depth": 2, "head": "linear"})
TEACHER = ("prithvi_eo_v2_tiny_tl", {"embed_dim": 64, "depth": 3, "head": "light", "bands": ("RED", "BLUE")})


def network(model_name, options):
    """Build a network of three classes."""
    return build_network(model_name, num_classes=3, img_size=32, **options)


@pytest.fixture
def parts():
    """Return a student, a teacher that differs from it in everything, and chips of 6 bands with an invalid corner."""
    torch.manual_seed(0)
    student, teacher = network(*STUDENT), TeacherNetwork(network(*TEACHER), [500.0, 900.0], [100.0, 300.0], [2, 0])
    image, valid = torch.rand(2, 6, 1, 32, 32) * 1000, torch.ones(2, 1, 32, 32, dtype=torch.bool)
    valid[:, :, :8, :8] = False
    augmented = Sample(image, valid, torch.randint(3, (2, 32, 32)).masked_fill(~valid[:, 0], -1))
    scaled = normalize(image, valid, torch.full((6,), 500.0), torch.full((6,), 300.0))
    return student, teacher, augmented, Sample(scaled, valid, augmented.label)


def distillation_loss(teacher, alpha=0.5, feature_weight=2.0):
    """Build a loss with all parts."""
    return DistillationLoss(teacher, SOFT, alpha, FeatureMatchingLoss((32, 14), (64, 16)), feature_weight)


TASK = WeightedCrossEntropy(torch.ones(3), -1)


def test_the_loss_is_the_weighted_sum_of_its_parts(parts):  # pitfall 29
    student, teacher, augmented, normalized = parts
    total, named = distillation_loss(teacher, 0.25)(student, TASK, augmented, normalized)
    assert named.keys() == {"task", "soft", "feature"}
    by_hand = 0.75 * named["task"] + 0.25 * named["soft"] + 2 * named["feature"]
    torch.testing.assert_close(total.detach(), by_hand)
    logits = student(normalized.image)
    torch.testing.assert_close(named["task"], TASK(logits, normalized.label).detach())
    target, _ = teacher(augmented)
    torch.testing.assert_close(named["soft"], SOFT(logits, target, augmented.valid[:, 0]).detach())


def test_only_student_and_projections_get_gradients(parts):
    student, teacher, augmented, normalized = parts
    before = {key: value.clone() for key, value in teacher.net.state_dict().items()}
    loss = distillation_loss(teacher)
    total, _ = loss(student, TASK, augmented, normalized)
    total.backward()
    assert [key for key, value in student.named_parameters() if value.grad is None] == []
    assert [key for key, value in loss.named_parameters() if value.grad is None] == []
    assert all(value.grad is None and not value.requires_grad for value in teacher.net.parameters())
    assert all(torch.equal(value, before[key]) for key, value in teacher.net.state_dict().items())


def test_the_teacher_is_not_in_state_dicts_and_never_in_training_mode(parts):  # pitfall 30
    _, teacher, augmented, _ = parts
    loss = nn.ModuleDict({"distiller": distillation_loss(teacher)}).train()
    assert set(loss.state_dict()) == {f"distiller.matching.projections.0.{name}" for name in ("weight", "bias")}
    assert not any(module.training for module in teacher.net.modules())
    first, second = teacher(augmented)[0], teacher(augmented)[0]
    assert torch.equal(first, second)  # no dropout
    assert not first.requires_grad


def test_the_teacher_gets_its_own_bands_in_its_own_unit(parts):
    _, teacher, augmented, _ = parts
    image = augmented.image[:, [2, 0]]
    by_hand = torch.stack([(image[:, 0] - 500) / 100, (image[:, 1] - 900) / 300], dim=1)
    by_hand[..., :8, :8] = 0  # no observation: the mean
    before = augmented.image.clone()
    with torch.no_grad():
        torch.testing.assert_close(teacher(augmented)[0], teacher.net(by_hand))
    assert torch.equal(augmented.image, before)


def test_a_teacher_of_the_first_band_gets_it_alone():
    teacher = TeacherNetwork(network(TEACHER[0], TEACHER[1] | {"bands": ("BLUE",)}), [500.0], [100.0], [0])
    image, valid = torch.rand(1, 3, 1, 32, 32) * 1000, torch.ones(1, 1, 32, 32, dtype=torch.bool)
    with torch.no_grad():
        expected = teacher.net((image[:, :1] - 500) / 100)
        torch.testing.assert_close(teacher(Sample(image, valid, None))[0], expected)


def test_invalid_pixels_do_not_count(parts):  # pitfall 9
    student, teacher, augmented, normalized = parts
    unseen = Sample(augmented.image, torch.zeros_like(augmented.valid), torch.full_like(augmented.label, -1))
    total, named = distillation_loss(teacher)(
        student, TASK, unseen, Sample(torch.zeros_like(normalized.image), unseen.valid, unseen.label)
    )
    assert {name: float(part) for name, part in named.items()} == {"task": 0, "soft": 0, "feature": 0}
    assert float(total.detach()) == 0


def test_unlabelled_pixels_count_in_the_soft_loss(parts):
    student, teacher, augmented, normalized = parts
    nothing = torch.full_like(augmented.label, -1)
    _, labelled = distillation_loss(teacher)(student, TASK, augmented, normalized)
    _, unlabelled = distillation_loss(teacher)(
        student,
        TASK,
        Sample(augmented.image, augmented.valid, nothing),
        Sample(normalized.image, augmented.valid, nothing),
    )
    assert unlabelled["task"] == 0
    assert unlabelled["soft"] == labelled["soft"] > 0


@pytest.mark.slow
def test_a_student_learns_from_the_teacher_without_labels(parts):
    """The teacher predicts class 1 for most pixels; after a few steps without labels, the student does too."""
    student, teacher, augmented, normalized = parts
    teacher.net.segmentation_head.classify.bias[1] += 2
    nothing = torch.full_like(augmented.label, -1)
    chips, prepared = (
        Sample(augmented.image, augmented.valid, nothing),
        Sample(normalized.image, augmented.valid, nothing),
    )
    loss = distillation_loss(teacher, alpha=1.0, feature_weight=0.1)
    optimizer = torch.optim.Adam([*student.parameters(), *loss.parameters()], lr=1e-2)
    history = []
    for _ in range(15):
        total, named = loss(student, TASK, chips, prepared)
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        history.append({name: float(part) for name, part in named.items()})
    assert history[-1]["soft"] < history[0]["soft"] / 2
    assert history[-1]["feature"] < history[0]["feature"]
    assert (student.eval()(normalized.image).argmax(1) == 1).float().mean() > 0.9


def test_the_teacher_follows_its_inputs_to_their_device():
    class Echo(torch.nn.Linear):
        def forward_with_features(self, image, temporal_coords, location_coords):
            return image * self.weight, []

    teacher = TeacherNetwork(Echo(1, 1), [1.0], [2.0], [0])
    for device in ("cpu", "meta", "meta"):
        batch = Sample(
            torch.ones(1, 1, 1, 2, 2, device=device), torch.ones(1, 1, 2, 2, dtype=torch.bool, device=device)
        )
        assert teacher(batch)[0].device.type == device


def test_the_teacher_gets_dates_and_location():
    class Recorder(torch.nn.Linear):
        def forward_with_features(self, *inputs):
            return inputs, []

    coords, location = torch.tensor([[[2020.0, 5.0]]]), torch.tensor([[48.0, 11.0]])
    batch = Sample(torch.full((1, 2, 1, 1, 1), 5.0), torch.ones(1, 1, 1, 1, dtype=torch.bool), None, coords, location)
    (image, *rest), _ = TeacherNetwork(Recorder(1, 1), [1.0], [2.0], [1])(batch)
    assert image.flatten().tolist() == [2]  # (5 - 1) / 2
    assert [part is own for part, own in zip(rest, (coords, location), strict=True)] == [True, True]


def test_chips_without_labels_count_in_the_soft_loss_alone(parts):
    student, teacher, augmented, normalized = parts
    label = normalized.label.clone()
    label[1] = -1
    unlabelled = replace(normalized, label=label)
    _, named = DistillationLoss(teacher, SOFT, 0.5)(student, TASK, augmented, unlabelled)
    logits, (target, _) = student(normalized.image), teacher(augmented)
    torch.testing.assert_close(named["task"], TASK(logits[:1], label[:1]).detach())
    torch.testing.assert_close(named["soft"], SOFT(logits, target, augmented.valid[:, 0]).detach())
