"""Who learns from whom: the student alone changes, and the teacher is asked about the right pixels its own way."""

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
STUDENT = ("prithvi_eo_v2_600", {"width": 32, "depth": 2, "head": "linear"})
TEACHER = ("prithvi_eo_v2_tiny_tl", {"width": 64, "depth": 3, "head": "light", "bands": ("RED", "BLUE")})


def network(kind, classes=3):
    """A network of three classes."""
    model_name, options = kind
    return build_network(model_name, num_classes=classes, img_size=32, **options)


@pytest.fixture
def parts():
    """Student and teacher of other variant, patch, width, depth, head and bands; chips of 6 bands, a corner unseen."""
    torch.manual_seed(0)
    student, teacher = network(STUDENT), TeacherNetwork(network(TEACHER), [500.0, 900.0], [100.0, 300.0], [2, 0])
    image, valid = torch.rand(2, 6, 1, 32, 32) * 1000, torch.ones(2, 1, 32, 32, dtype=torch.bool)
    valid[:, :, :8, :8] = False
    seen = Sample(image, valid, torch.randint(3, (2, 32, 32)).masked_fill(~valid[:, 0], -1))
    ready = Sample(normalize(image, valid, torch.full((6,), 500.0), torch.full((6,), 300.0)), valid, seen.label)
    return student, teacher, seen, ready


def distiller(teacher, weight=0.5, features=2.0):
    """With everything on."""
    return DistillationLoss(teacher, SOFT, weight, FeatureMatchingLoss((32, 14), (64, 16)), features)


TASK = WeightedCrossEntropy(torch.ones(3), -1)


def test_the_loss_is_what_its_parts_make(parts):  # pitfall 29
    student, teacher, seen, ready = parts
    total, found = distiller(teacher, 0.25)(student, TASK, seen, ready)
    assert found.keys() == {"task", "soft", "feature"}
    by_hand = 0.75 * found["task"] + 0.25 * found["soft"] + 2 * found["feature"]
    torch.testing.assert_close(total.detach(), by_hand)
    logits = student(ready.image)
    torch.testing.assert_close(found["task"], TASK(logits, ready.label).detach())
    answer, _ = teacher(seen)
    torch.testing.assert_close(found["soft"], SOFT(logits, answer, seen.valid[:, 0]).detach())


def test_gradients_reach_the_student_and_the_projections_alone(parts):
    student, teacher, seen, ready = parts
    before = {key: value.clone() for key, value in teacher.net.state_dict().items()}
    learning = distiller(teacher)
    total, _ = learning(student, TASK, seen, ready)
    total.backward()
    assert [key for key, value in student.named_parameters() if value.grad is None] == []
    assert [key for key, value in learning.named_parameters() if value.grad is None] == []
    assert all(value.grad is None and not value.requires_grad for value in teacher.net.parameters())
    assert all(torch.equal(value, before[key]) for key, value in teacher.net.state_dict().items())


def test_the_teacher_is_in_no_state_dict_and_never_in_training_mode(parts):  # pitfall 30
    _, teacher, seen, _ = parts
    learning = nn.ModuleDict({"distiller": distiller(teacher)}).train()
    assert set(learning.state_dict()) == {f"distiller.matching.projections.0.{name}" for name in ("weight", "bias")}
    assert not any(module.training for module in teacher.net.modules())
    first, second = teacher(seen)[0], teacher(seen)[0]
    assert torch.equal(first, second)  # no dropout
    assert not first.requires_grad


def test_the_teacher_sees_its_own_bands_in_its_own_unit(parts):
    _, teacher, seen, _ = parts
    image = seen.image[:, [2, 0]]
    by_hand = torch.stack([(image[:, 0] - 500) / 100, (image[:, 1] - 900) / 300], dim=1)
    by_hand[..., :8, :8] = 0  # no observation: the mean
    before = seen.image.clone()
    with torch.no_grad():
        torch.testing.assert_close(teacher(seen)[0], teacher.net(by_hand))
    assert torch.equal(seen.image, before)


def test_pixels_without_observation_teach_nothing(parts):  # pitfall 9
    student, teacher, seen, ready = parts
    unseen = Sample(seen.image, torch.zeros_like(seen.valid), torch.full_like(seen.label, -1))
    total, found = distiller(teacher)(student, TASK, unseen, Sample(torch.zeros_like(ready.image), *vars_of(unseen)))
    assert {name: float(part) for name, part in found.items()} == {"task": 0, "soft": 0, "feature": 0}
    assert float(total.detach()) == 0


def vars_of(sample):
    """Mask and label."""
    return sample.valid, sample.label


def test_unlabelled_pixels_are_taught_by_the_teacher(parts):
    student, teacher, seen, ready = parts
    nothing = torch.full_like(seen.label, -1)
    _, labelled = distiller(teacher)(student, TASK, seen, ready)
    _, unlabelled = distiller(teacher)(
        student, TASK, Sample(seen.image, seen.valid, nothing), Sample(ready.image, seen.valid, nothing)
    )
    assert unlabelled["task"] == 0
    assert unlabelled["soft"] == labelled["soft"] > 0


def test_a_student_learns_what_only_the_teacher_knows(parts):
    """The teacher takes most pixels for class 1; without a label, a few steps bring the student there."""
    student, teacher, seen, ready = parts
    teacher.net.segmentation_head.classify[-1].bias.view(3, 4)[1] += 2  # of each square of pixels
    nothing = torch.full_like(seen.label, -1)
    chips, prepared = Sample(seen.image, seen.valid, nothing), Sample(ready.image, seen.valid, nothing)
    learning = distiller(teacher, weight=1.0, features=0.1)
    optimiser = torch.optim.Adam([*student.parameters(), *learning.parameters()], lr=1e-2)
    history = []
    for _ in range(15):
        total, found = learning(student, TASK, chips, prepared)
        optimiser.zero_grad()
        total.backward()
        optimiser.step()
        history.append({name: float(part) for name, part in found.items()})
    assert history[-1]["soft"] < history[0]["soft"] / 2
    assert history[-1]["feature"] < history[0]["feature"]
    assert (student.eval()(ready.image).argmax(1) == 1).float().mean() > 0.9
