"""Benchmark distillation: students with 1/4, 1/15 and 1/39 of a teacher's operations, distilled and trained alone.

python benchmarks/distillation.py DATA OUTPUT --seeds 1 2 3    # DATA holds train.csv and val.csv of HLS flood chips

Runs that exist already are skipped. `instageo distill-report OUTPUT/*` writes the table and the figure.
"""

import argparse
import subprocess
import sys
from pathlib import Path

COMMON = [
    "train_filepath=train.csv", "valid_filepath=val.csv", "dataloader.bands=[1,2,3,4,5,6]", "dataloader.mean=auto",
    "model.model_name=prithvi_eo_tiny", "model.load_pretrained_weights=false", "dataloader.img_size=128",
    "dataloader.cache=memory", "train.learning_rate=0.001", "train.gradient_clip_val=1",
    "train.ema_decay=0.98", "logger=none",
    *(f"dataloader.augmentations.{name}.use=true" for name in ("rot90", "rotate", "brightness", "noise")),
]  # fmt: skip

TEACHER = ["model.head_channels=96"]

STUDENTS = {  # the smallest learns too slowly with the default learning rate
    "quarter": ["model.embed_dim=128", "model.depth=3", "model.head_channels=48"],
    "16th": ["model.embed_dim=48", "model.depth=3", "model.head_channels=24"],
    "64th": ["model.embed_dim=32", "model.depth=4", "model.head_channels=8", "train.learning_rate=0.003"],
}

DISTILLED = ["train.distillation=true", "distill.alpha=0.7", "distill.temperature=2"]


def run(data: Path, folder: Path, settings: list[str]) -> None:
    """Train one network, unless its run exists."""
    if (folder / "metrics.json").is_file():
        return
    command = [sys.executable, "-m", "instageo.model.run", f"root_dir={data}", *COMMON, *settings]
    subprocess.run([*command, f"hydra.run.dir={folder}"], check=True)


def main() -> None:
    """Train the teacher, then every student with every seed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--only", choices=STUDENTS, nargs="+", default=list(STUDENTS))
    arguments = parser.parse_args()
    epochs = f"train.num_epochs={arguments.epochs}"
    teacher = arguments.output / "teacher"
    run(arguments.data, teacher, [*TEACHER, epochs, "seed=1"])
    for name in arguments.only:
        for seed in arguments.seeds:
            settings = [*STUDENTS[name], epochs, f"seed={seed}"]
            run(arguments.data, arguments.output / f"{name}-alone-{seed}", settings)
            distilled = [*DISTILLED, f"train.teacher_ckpt_path={teacher}"]
            run(arguments.data, arguments.output / f"{name}-distilled-{seed}", [*settings, *distilled])


if __name__ == "__main__":
    main()
