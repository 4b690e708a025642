"""What the report says in sentences."""

from __future__ import annotations

from .outcome import ACAE_VARIANTS, VARIANTS, Evaluation, Outcome
from .report_page import number
from .verdict import verdict_lines

#: How everything is measured: term -> explanation.
DEFINITIONS = {
    "labelled, unlabelled, unseen": (
        "The training pictures of each domain are labelled in one skeleton format: that is its "
        "labelled format, the others are unlabelled there. Test pictures have true joints in all "
        "formats. The unseen look was never trained on; all formats count."
    ),
    "MPJPE, PMPJPE, CPS": (
        "Mean distance of joints from the truth after moving each format's hip midpoint to its "
        "true place; the same after the best rotation, scale and shift; share of poses whose worst "
        "joint is within 200 mm (hip midpoint aligned). Mean over the joints of a format, then "
        "over the formats of a picture, then over pictures."
    ),
    "inconsistency": (
        "Mean distance between each predicted joint and what the other joints say it should be, by "
        "a relation that was fitted on true poses (not the one trained against)."
    ),
    "cross-format offset error": (
        "Error of the vector between same-named joints of two formats, e.g. from one left hip to "
        "the other. Needs no fitted relation."
    ),
    "aligned on the labelled format": (
        "Error of unlabelled joints after moving the whole prediction so that the labelled "
        "format's hip midpoint is right; with its depth and its image-plane part. It falls almost "
        "by itself when formats agree, so it overstates the gain."
    ),
    "gap closed": (
        "How much of the distance between the control and the upper bound, which trains with "
        "labels in all formats, a variant covers without them."
    ),
    "intervals": (
        "95 % percentile bootstrap over test pictures, 2000 draws, both models on the same drawn "
        "pictures. They do not cover the choice of the training seed: compare the seeds for that."
    ),
    "variants": (
        "Control: the same further training as the output variant, with the same seed and "
        "batches, without consistency term. Separate heads: before that further training."
    ),
}

LIMITS = (
    "Synthetic people only: rendered bodies, clothes and backgrounds. Nothing here says how well "
    "the models do on photographs.",
    "The models are small and stopped early. What is reproduced is the effect of consistency, not "
    "accurate poses.",
    "People face the camera within an angle, and body size differs between domains, so that a part "
    "of the effect is which domain's metric scale a format has learned.",
    "The variants with a latent head start from a random head; at this length of fine-tuning they "
    "are not judged fairly, and no bar is set on them.",
)


def headline(outcome: Outcome, evaluation: Evaluation) -> str:
    """Returns the verdict in one sentence."""
    met = sum(check.met for check in evaluation.checks)
    total = len(evaluation.checks)
    if not any(variant == ACAE_VARIANTS[0] for _, variant in evaluation.comparisons):
        return "Nothing to compare: the control or the output variant is missing."
    if met == total:
        return f"The claim shows: all {total} bars are met in every seed."
    missed = [check.text for check in evaluation.checks if not check.met]
    return f"{met} of {total} bars are met in every seed. Not met: {'; '.join(missed)}."


def finding(outcome: Outcome, evaluation: Evaluation) -> list[str]:
    """Returns what the output variant changed, a sentence per matter."""
    variant = ACAE_VARIANTS[0]
    compared = {s: evaluation.comparisons.get((s, variant)) for s in outcome.seeds}
    measures = {seed: c["measures"] for seed, c in compared.items() if c}
    if not measures:
        return []

    def changes(name: str) -> str:
        return ", ".join(
            f"{number(m[name]['control'])} → {number(m[name]['treated'])} mm "
            f"({_percent(m[name]['percent'][0])}, seed {seed})"
            for seed, m in measures.items()
        )

    return [
        "In formats that a picture’s domain has no labels for, the mean joint error goes "
        f"{changes('mpjpe_unlabelled')}.",
        f"In the labelled format it goes {changes('mpjpe_labelled')}.",
        f"On a look that was never trained on it goes {changes('mpjpe_unseen')}.",
        f"The formats disagree by {changes('inconsistency')}; true poses by "
        f"{number(evaluation.true_inconsistency)} mm.",
    ]


def domain_facts(outcome: Outcome) -> dict[str, str]:
    """Returns what each domain looks like, and which format it is labelled in."""
    from ..synth.looks import LOOKS

    facts = {}
    for domain, count in outcome.test.images_per_domain().items():
        labelled = outcome.test.labelled.get(domain)
        kind = f"labelled in {labelled}" if labelled else "never trained on"
        look = f" {LOOKS[domain].title}." if domain in LOOKS else ""
        facts[domain] = f"{count} test pictures, {kind}.{look}"
    return facts


def preset_remark(outcome: Outcome) -> str:
    """Returns what to keep in mind about a preset that the bars are not made for."""
    if outcome.preset == "full" and len(outcome.seeds) >= 2:
        return ""
    seeds = f"{len(outcome.seeds)} seed{'s' if len(outcome.seeds) != 1 else ''}"
    return f"The bars are made for two seeds of “full”; this was “{outcome.preset}” with {seeds}."


def summary_lines(outcome: Outcome, evaluation: Evaluation) -> list[str]:
    """Returns verdict and findings for the terminal."""
    lines = [headline(outcome, evaluation), preset_remark(outcome)]
    return [line for line in (*lines, *verdict_lines(evaluation.checks)) if line]


def missing_remark(outcome: Outcome) -> str:
    """Returns which variants were not run, or nothing."""
    lacking = [
        f"{VARIANTS[variant].lower()} (seed {seed})"
        for seed in outcome.seeds
        for variant in VARIANTS
        if (seed, variant) not in outcome.predictions
    ]
    return f"Not run: {', '.join(lacking)}." if lacking else ""


def _percent(value: float) -> str:
    text = number(value)
    return f"+{text} %" if value > 0 else f"{text} %"
