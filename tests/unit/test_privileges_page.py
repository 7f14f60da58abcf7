"""docs/privileges-table.md is what is promised, row by row; the tests with an engine hold the promise."""

from __future__ import annotations

import itertools

from tests.support import privileges


def test_s6_the_page_has_a_row_for_every_stage_profile_image_and_person() -> None:
    rows = [
        privileges.expected(
            stage=stage, profile=profile, image=image, person=person, person_uid=0 if person == "root" else 1500
        )
        for stage, profile, image, person in itertools.product(
            privileges.STAGES, privileges.PROFILES, privileges.IMAGES, privileges.PERSON
        )
    ]
    assert privileges.PAGE.read_text("utf-8") == privileges.page(rows)
