"""docs/privileges-table.md is what is promised, row by row; the tests with an engine hold the promise."""

from __future__ import annotations

from tests.support import privileges


def test_s6_the_page_has_a_row_for_every_stage_profile_image_and_person() -> None:
    rows = [
        privileges.expected(
            base=base,
            stage=stage,
            profile=profile,
            image=image,
            person=person,
            person_uid=0 if person == "root" else 1500,
        )
        for base in privileges.BASES
        for image, person, profile in privileges.combinations(base)
        for stage in privileges.STAGES
    ]
    assert privileges.PAGE.read_text("utf-8") == privileges.page(rows)
