"""What other libraries say of identifiers: lines `question<TAB>text` in, one answer a line out.

Their known wrong answers are kept out by what is asked: check digits and dates, not regions (see
docs/reference/formats.md).
"""

import sys

import phonenumbers
from id_validator import validator
from stdnum.cn import ric, uscc
from vininfo import Vin
from vininfo.exceptions import VininfoException


def resident_id_check(seventeen):
    return ric.calc_check_digit(seventeen + "0")


def resident_id_birth(eighteen):
    try:
        ric.get_birth_date(eighteen)
        return "ok"
    except Exception:
        return "no"


def id_validator_valid(eighteen):
    return "ok" if validator.is_valid(eighteen) else "no"


def uscc_check(seventeen):
    return uscc.calc_check_digit(seventeen)


def vin_check(vin):
    try:
        return "ok" if Vin(vin).verify_checksum(check_year=False) else "no"
    except VininfoException:
        return "refused"
    except TypeError:
        return "ok" if Vin(vin).verify_checksum() else "no"


def mobile(number):
    return "ok" if phonenumbers.is_valid_number(phonenumbers.parse(number, "CN")) else "no"


def gb18030(hex_bytes):
    return "%X" % ord(bytes.fromhex(hex_bytes).decode("gb18030"))


QUESTIONS = {
    "resident-id-check": resident_id_check,
    "resident-id-birth": resident_id_birth,
    "id-validator-valid": id_validator_valid,
    "uscc-check": uscc_check,
    "vin-check": vin_check,
    "mobile": mobile,
    "gb18030": gb18030,
}

for line in sys.stdin:
    question, text = line.rstrip("\n").split("\t")
    print(QUESTIONS[question](text))
