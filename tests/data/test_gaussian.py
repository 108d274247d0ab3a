"""Gaussian logs: which energy is read, of which method, at which geometry, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from ase.units import Bohr
from made_logs import Job, Step, log

from iia_calc.data.gaussian import read_gaussian
from iia_calc.data.gaussian_route import read_route, wanted_energy
from iia_calc.data.readers import read_path, read_sets
from search.errors import InputError

NEAR = np.array([[0.0, 0.0, 0.0], [1.6, 0.0, 0.0]])
FAR = NEAR * 1.2
FORCES = np.array([[0.01, 0.0, 0.0], [-0.01, 0.0, 0.0]])
SCF, MP2, MP3 = -48.9643288, -49.0022821, -49.0128009
MP4 = {"MP4(DQ)": -49.015, "MP4(SDQ)": -49.016, "MP4(SDTQ)": -49.017}


@pytest.fixture
def read(tmp_path):
    def write_and_read(jobs: list[Job], geometry: str = "last", change=lambda text: text):
        path = tmp_path / "B2.log"
        path.write_bytes(change(log(jobs)).encode())
        return read_gaussian(path, geometry)

    return write_and_read


AFTER = {"MP2": MP2, "MP3": MP3}


class TestMethods:
    @pytest.mark.parametrize(
        ("route", "after", "method", "energy"),
        [
            ("#P HF/STO-3G", {}, "HF", SCF),
            ("#P MP2/STO-3G Density", {"MP2": MP2}, "MP2", MP2),
            ("#P RMP2=Full/STO-3G", {"MP2": MP2}, "MP2", MP2),
            ("#P MP3/STO-3G", AFTER, "MP3", MP3),
            ("#p ump4/sto-3g pop=full", AFTER | MP4, "MP4(SDTQ)", -49.017),
            ("#P MP4(SDQ)/STO-3G", AFTER | {"MP4(DQ)": -49.015, "MP4(SDQ)": -49.016}, "MP4(SDQ)", -49.016),
            ("# CCSD/STO-3G", AFTER | {"iteration": -49.01, "amplitudes": -49.0176836}, "CCSD", -49.0176836),
            ("# CCSD/STO-3G", AFTER | {"iteration": -49.0176836}, "CCSD", -49.0176836),  # as Gaussian 09 prints it
            (
                "# CCSD(T,T1Diag)/6-31+G(d)",
                AFTER | {"amplitudes": -49.01, "CCSD(T)": -49.0177604},
                "CCSD(T)",
                -49.0177604,
            ),
            ("# CCSD 6-31G*", AFTER | {"amplitudes": -49.0176836}, "CCSD", -49.0176836),
        ],
    )
    def test_the_energy_is_that_of_the_route_and_named(self, read, route, after, method, energy):
        found = read([Job(route, [Step(NEAR, SCF, after)], "RHF")])
        assert (found.method, found.energy) == (method, pytest.approx(energy, abs=1e-8))
        assert found.scf_energy == pytest.approx(SCF, abs=1e-8)
        assert found.level.split("/")[0].startswith(method)

    def test_a_double_hybrid_has_the_energy_with_its_mp2_part(self, read):
        found = read([Job("# B2PLYP/def2SVP", [Step(NEAR, SCF, {"B2PLYP": -49.05})], "RB2PLYP")])
        assert (found.method, found.energy) == ("B2PLYP", pytest.approx(-49.05))
        with pytest.raises(InputError, match="has no B2PLYP energy"):
            read([Job("# B2PLYP/def2SVP", [Step(NEAR, SCF)], "RB2PLYP")])

    def test_a_correlated_energy_that_is_missing_is_not_replaced_by_another(self, read):
        with pytest.raises(InputError, match="has no MP3 energy, which its route asks for"):
            read([Job("#P MP3/STO-3G", [Step(NEAR, SCF, {"MP2": MP2})], "RHF", ended=False)])

    @pytest.mark.parametrize(
        ("route", "after", "message"),
        [
            ("#P CCSD(!)/STO-3G", AFTER | {"amplitudes": -49.0}, "asks for CCSD"),
            (
                "#P CCSD/STO-3G",
                AFTER | {"amplitudes": -49.0, "CCSD(T)": -49.1},
                r"has a CCSD\(T\) energy, but its route",
            ),
            ("#P MP2/STO-3G", AFTER, "has a MP3 energy, but its route asks for MP2"),
            ("#P HF/STO-3G", {"MP2": MP2}, "has a MP2 energy, but its route asks for HF"),
        ],
    )
    def test_a_route_that_does_not_fit_the_energies_is_refused(self, read, route, after, message):
        with pytest.raises(InputError, match=message):
            read([Job(route, [Step(NEAR, SCF, after)], "RHF")])

    @pytest.mark.parametrize(
        ("route", "named"),
        [
            ("#p TD=(NStates=5) pbe1pbe/6-31G", "TD"),
            ("#p CIS(D,NStates=5)/STO-3G", "CIS"),
            ("# CASSCF(6,6)/STO-3G", "CASSCF"),
            ("# G4", "G4"),
            ("# oniom(b3lyp/6-31G(d):uff) opt", "ONIOM"),
            ("# MP2/6-31G counterpoise=2", "COUNTERPOISE"),
            ("# EOMCCSD=(root=1) STO-3G", "EOMCCSD"),
            ("# MP2/6-31G count=2", "COUNTERPOISE"),
            ("# ext='run.sh' opt", "EXTERNAL"),
            ("# hf/sto-3g field=z+20", "FIELD"),
            ("# b3lyp/6-31G massage", "MASSAGE"),
            ("# CBS-Q", "CBS-Q"),
            ("# PBE1PBE/3-21G ADMP=(MaxPoints=50)", "ADMP"),  # its density is carried along, not converged
            ("# nonstd", "NONSTD"),
        ],
    )
    def test_what_is_not_read_here_is_refused_by_name(self, read, route, named):
        with pytest.raises(InputError, match=f"its route asks for {named}"):
            read([Job(route, [Step(NEAR, SCF, {"MP2": MP2})], "RHF")])

    @pytest.mark.parametrize(
        ("route", "label", "level"),
        [
            ("#P PBE1PBE/3-21G opt", "RPBE1PBE", "PBE1PBE/3-21G"),
            ("# UB3LYP 6-31G**", "UB3LYP", "UB3LYP/6-31G(D,P)"),
            ("# pbe1pbe 6-31G** 5D", "RPBE1PBE", "PBE1PBE/6-31G(D,P) 5D"),
            ("# OPBE/3-21G", "RO-PBE", "OPBE/3-21G"),
            ("# MP2=(Full)/3-21G", "RHF", "MP2(FULL)/3-21G"),
            ("# MP2(Full)/3-21G", "RHF", "MP2(FULL)/3-21G"),
            ("# MP2=FC 3-21G", "RHF", "MP2/3-21G"),
            ("# CCSD(T,Full)/cc-pVTZ", "RHF", "CCSD(T)(FULL)/CC-PVTZ"),
            ("# CCSD(FreezeG2)/cc-pVTZ", "RHF", "CCSD(FREEZEG2)/CC-PVTZ"),
            ("# MP2(Window=(3,0))/cc-pVTZ", "RHF", "MP2(WINDOW=(3,0))/CC-PVTZ"),
            ("# MP2/cc-pVTZ Window=(3,0)", "RHF", "MP2(WINDOW=(3,0))/CC-PVTZ"),
            ("# scrf=(smd,solvent=water) wB97XD/Def2SVP", "RwB97XD", "WB97XD/DEF2SVP SCRF=(SMD,SOLVENT=WATER)"),
            ("#p bp86/sto-3g empiricaldispersion=gd3", "RB-P86", "BP86/STO-3G EMPIRICALDISPERSION=GD3"),
            ("# revTPSS/def2TZVP", "RrevTPSS-revTPSS", "REVTPSS/DEF2TZVP"),
            ("# bp86/sto-3g em=GD3BJ", "RB-P86", "BP86/STO-3G EMPIRICALDISPERSION=GD3BJ"),
            ("# bp86/sto-3g empirical = gd3", "RB-P86", "BP86/STO-3G EMPIRICALDISPERSION=GD3"),
            ("# b3lyp/6-31G SCRF(solvent=Water, smd)", "RB3LYP", "B3LYP/6-31G SCRF=(SMD,SOLVENT=WATER)"),
            ("# b3lyp/6-31G scrf=(smd)", "RB3LYP", "B3LYP/6-31G SCRF=SMD"),
            ("# b3lyp/gen pseudo=read gfinput", "RB3LYP", "B3LYP/GEN PSEUDO=READ"),
            ("# b3lyp/gen int=(grid=ultrafine,dkh2)", "RB3LYP", "B3LYP/GEN DKH2"),
            ("# b3lyp/cc-pVDZ DKH", "RB3LYP", "B3LYP/CC-PVDZ DKH"),
            ("# pbepbe/6-31G iop(3/124=40,3/33=1)", "RPBE-PBE", "PBEPBE/6-31G IOP(3/124=40)"),
            ("# geom=allcheck guess=read scrf=check pbepbe/6-31G", "RPBE-PBE", "PBEPBE/6-31G SCRF=CHECK"),
        ],
    )
    def test_levels(self, read, route, label, level):
        method = level.split("/")[0].split("(FULL)")[0].split("(W")[0].split("(FR")[0]
        name = {"CCSD": "amplitudes"}.get(method, method)
        after = {name: SCF - 0.1} if name in ("MP2", "amplitudes", "CCSD(T)") else {}
        assert read([Job(route, [Step(NEAR, SCF, after)], label)]).level == level

    @pytest.mark.parametrize(
        ("version", "route", "grid"),
        [
            ("16", "", ""),
            ("16", "Int=UltraFine", ""),
            ("16", "Integral(Grid=UltraFineGrid)", ""),
            ("16", "Int(FineGrid)", " GRID=FINE"),
            ("16", "int=(acc2e=12, grid = superfine)", " GRID=SUPERFINE"),
            ("16", "Int=(Grid=99590)", " GRID=99590"),  # not pruned, as UltraFine is
            ("09", "", " GRID=FINE"),
            ("09", "Int=UltraFine", ""),
            ("03", "Int=Acc2E=11", " GRID=FINE"),
            ("98", "", " GRID=FINE"),
        ],
    )
    def test_the_grid_is_part_of_a_functional_s_level(self, read, version, route, grid):
        def change(text):
            return text.replace(" Gaussian 16:", f" Gaussian {version}:").replace("Link 0=g16", f"Link 0=g{version}")

        job = Job(f"# PBE1PBE/3-21G {route}", [Step(NEAR, SCF)])
        assert read([job], change=change).level == f"PBE1PBE/3-21G{grid}"
        wave = Job(f"# HF/3-21G {route}", [Step(NEAR, SCF)], "RHF")
        assert read([wave], change=change).level == "HF/3-21G"

    @pytest.mark.parametrize(
        ("label", "multiplicity", "name"),
        [
            ("UPBE1PBE", 2, "PBE1PBE"),
            ("ROPBE1PBE", 2, "ROPBE1PBE"),
            ("UPBE1PBE", 1, "UPBE1PBE"),
            ("RPBE1PBE", 1, "PBE1PBE"),
        ],
    )
    def test_restricted_open_shells_and_broken_symmetry_are_levels_of_their_own(self, read, label, multiplicity, name):
        job = Job("# PBE1PBE/3-21G", [Step(NEAR, SCF)], label, 1 if multiplicity == 2 else 0, multiplicity)
        assert read([job]).level == f"{name}/3-21G"

    def test_a_route_over_two_lines(self, read):
        route = "#P MP3/STO-3G Density Pop=(Full,NaturalOrbitals) SCF=(Tight,MaxCycle=500) IOp(3/76=0572004280)"
        found = read([Job(route, [Step(NEAR, SCF, AFTER)], "RHF")])
        assert (found.method, found.level) == ("MP3", "MP3/STO-3G IOP(3/76=0572004280)")
        assert wanted_energy(read_route("#N Geom=AllCheck GenChk RHF/6-31G Freq"), "RHF") == ("SCF", "HF")


class TestJobs:
    @pytest.mark.parametrize(
        "route",
        [
            "#P Geom=AllCheck Guess=TCheck SCRF=Check GenChk RwB97XD/ChkBas Freq",  # Gaussian's own
            "#P wB97XD ChkBasis Geom=AllCheck Guess=Read SCRF=Check Freq",
            "#P wB97XD/ChkBasis Geom=Check SCRF=Check",
        ],
    )
    def test_what_a_job_takes_from_the_checkpoint_is_that_of_the_job_before(self, read, route):
        first = Job("#P wB97XD/Gen pseudo=read scrf=(solvent=water,smd) opt", [Step(NEAR, -49.1)], "RwB97XD")
        found = read([first, Job(route, [Step(NEAR, -49.2)], "RwB97XD")])
        assert found.energy == pytest.approx(-49.2)
        assert found.level == "WB97XD/GEN PSEUDO=READ SCRF=(SMD,SOLVENT=WATER)"

    def test_a_second_job_in_the_gas_phase_has_no_solvent(self, read):
        first = Job("#P PBE1PBE/3-21G scrf=(smd,solvent=water)", [Step(NEAR, -49.1)])
        assert read([first, Job("#P PBE1PBE/3-21G Geom=Check", [Step(NEAR, -49.0)])]).level == "PBE1PBE/3-21G"

    optimised = Job("#P PBE1PBE/3-21G Opt Freq", [Step(FAR, -48.9, {}, FORCES), Step(NEAR, -49.1, {}, FORCES / 10)])
    frequencies = Job("#P Geom=AllCheck Guess=TCheck SCRF=Check GenChk RPBE1PBE/3-21G Freq", [Step(NEAR, -49.1)])
    point = Job("#P CCSD(T)/cc-pVTZ Geom=Check", [Step(NEAR, -48.7, {"CCSD(T)": -49.3})], "RHF")

    def test_the_last_jobs_energy_at_its_own_level(self, read):
        last = read([self.optimised, self.frequencies, self.point])
        assert (last.energy, last.level, last.ended) == (pytest.approx(-49.3), "CCSD(T)/CC-PVTZ", True)
        first = read([self.optimised, self.frequencies, self.point], "first")
        assert (first.energy, first.level) == (pytest.approx(-48.9), "PBE1PBE/3-21G")
        np.testing.assert_allclose(first.atoms.positions, FAR)
        np.testing.assert_allclose(first.forces, FORCES / Bohr)

    def test_a_second_job_that_died_counts_as_not_ended(self, read):
        died = Job("#P MP2/cc-pVTZ", [], "RHF", ended=False)
        found = read([self.optimised, self.frequencies, died])
        assert (found.energy, found.level, found.ended) == (pytest.approx(-49.1), "PBE1PBE/3-21G", False)
        assert not read([self.optimised, self.frequencies], change=lambda text: text + " Link1:  Proceeding\n").ended

    def test_frequencies_that_the_route_promises_and_the_log_lacks(self, read):
        assert not read([self.optimised]).ended
        assert read([self.optimised, self.frequencies]).ended

    def test_a_stationary_point(self, read):
        steps = [Step(FAR, -48.9), Step(NEAR, -49.1, stationary=True)]
        assert read([Job("# PBE1PBE/3-21G opt", steps)]).optimised

    def test_a_scan_that_stopped_on_its_way_is_not_at_a_stationary_point(self, read):
        steps = [Step(NEAR, -49.1, stationary=True), Step(FAR, -48.9), Step(FAR * 1.1, -48.8)]
        assert not read([Job("# PBE1PBE/3-21G opt=modredundant", steps, ended=False)]).optimised
        steps.append(Step(FAR * 1.2, -48.7, stationary=True))
        assert read([Job("# PBE1PBE/3-21G opt=modredundant", steps)]).optimised

    def test_the_solution_that_a_stability_test_ends_with(self, read):
        lower = " An internal instability.\n SCF Done:  E(RPBE1PBE) =  -49.3     A.U. after    9 cycles\n"
        end = " 1\\1\\GINC"
        job = Job("# PBE1PBE/3-21G stable=opt", [Step(NEAR, -49.1)])
        assert read([job], change=lambda text: text.replace(end, lower + end)).energy == pytest.approx(-49.3)

    def test_a_geometry_printed_once_more_at_the_end(self, read):
        once_more = log([Job("# HF/STO-3G", [Step(NEAR, -49.1)])]).split(" Charge")[1].split(" SCF Done")[0]
        table = once_more[once_more.index("\n") + 1 :]
        end = " Normal termination"
        assert read([Job("# PBE1PBE/3-21G", [Step(NEAR, -49.1)])], change=lambda t: t.replace(end, table + end)).ended

    @pytest.mark.parametrize("line_end", ["\r\n", "\r", "\r\r\n"])
    def test_line_ends_of_other_systems(self, read, line_end):
        half = {"change": lambda text: text[:900] + text[900:].replace("\n", line_end)}
        assert read([self.optimised, self.frequencies], **half).energy == pytest.approx(-49.1)

    def test_charge_and_multiplicity(self, read):
        found = read([Job("# PBE1PBE/3-21G", [Step(NEAR, -49.1)], "UPBE1PBE", -1, 2)])
        assert (found.charge, found.multiplicity) == (-1, 2)


PRINTED = """ General basis read from cards:  (5D, 7F)
 Centers:       1      2
 {basis}
 ****
    18 basis functions,    {primitives} primitive gaussians,    20 cartesian basis functions
     5 alpha electrons        5 beta electrons
"""
CORES = """ ======================================================================
                                       Pseudopotential Parameters
 ======================================================================
  Center     Atomic      Valence      Angular      Power
  Number     Number     Electrons     Momentum     of R      Exponent        Coefficient   SO-Coeffient
 ======================================================================
    1          5            3
                                      D and up
                                                     2        {exponent}       -1.71021700    0.00000000
    2          5            3
                                      D and up
                                                     2        {exponent}       -1.71021700    0.00000000
 ======================================================================
"""
SHELL = "S   2 1.00\n Exponent=  {}D+00 Coefficients=  0.5D+00\n Exponent=  1.5D+00 Coefficients=  0.5D+00"


class TestGeneralBasis:
    @pytest.fixture
    def level(self, read):
        def level_of(text, route="# PBE1PBE/gen", more=()):
            jobs = [Job(route, [Step(NEAR, SCF)]), *more]
            return read(jobs, change=lambda log_text: log_text.replace(" SCF Done", text + " SCF Done", 1)).level

        return level_of

    def test_two_of_them_are_two_levels(self, level):
        texts = ["6-31G(d)", "LanL2DZ", SHELL.format("2.0"), SHELL.format("2.1")]
        levels = [level(PRINTED.format(basis=text, primitives=40)) for text in texts]
        assert levels[:2] == ["PBE1PBE/GEN(B=6-31G(D))", "PBE1PBE/GEN(B=LANL2DZ)"]
        assert len(set(levels)) == 4
        assert levels[2] == level(PRINTED.format(basis=SHELL.format("2.0"), primitives=40))

    def test_one_that_is_not_printed_is_told_by_its_size(self, level):
        bare = PRINTED[: PRINTED.index(" Centers")] + PRINTED[PRINTED.index("    18") :]
        assert level(bare.format(primitives=40)) == "PBE1PBE/GEN(NOT PRINTED: 18/40/10)"
        assert level(bare.format(primitives=42)) != level(bare.format(primitives=40))

    def test_core_potentials_from_the_input(self, level):
        route = "# PBE1PBE/gen pseudo=read"
        basis = PRINTED.format(basis="LanL2DZ", primitives=40)
        levels = [level(basis + CORES.format(exponent=e), route) for e in ("3.7704000", "3.7704001", "3.7704000")]
        assert levels[0] == levels[2] != levels[1]
        assert levels[0].startswith("PBE1PBE/GEN(B=LANL2DZ) PSEUDO=READ(B=#")

    def test_the_step_after_has_the_basis_of_the_step_before(self, level):
        after = Job("#P Geom=AllCheck Guess=TCheck SCRF=Check GenChk RPBE1PBE/ChkBas Freq", [Step(NEAR, SCF)])
        text = PRINTED.format(basis="LanL2DZ", primitives=40)
        assert level(text, "# PBE1PBE/gen opt freq", [after]) == "PBE1PBE/GEN(B=LANL2DZ)"

    def test_the_basis_that_a_route_does_not_name_in_a_known_way(self, level):
        assert level(" Standard basis: Jun-CC-pVDZ (5D, 7F)\n", "# pbe1pbe jun-cc-pvdz") == "PBE1PBE/JUN-CC-PVDZ"

    def test_a_solvent_from_the_input(self, level):
        route = "# PBE1PBE/3-21G scrf=(pcm,solvent=generic,read)"
        line = " Solvent              : GENERIC, Eps=  {:9.6f} Eps(inf)=   2.238315\n"
        assert level(line.format(2.4), route).endswith("SCRF=(PCM,READ,SOLVENT=GENERIC)(EPS=2.4,EPSINF=2.23832)")
        assert level(line.format(2.4), route) != level(line.format(2.5), route)

    def test_folders_keep_them_apart_and_say_what_is_not_printed(self, tmp_path):
        bare = " General basis read from cards:  (5D, 7F)\n"
        for name, printed in (("a", "6-31G(d)"), ("b", "LanL2DZ"), ("c", None), ("d", "LanL2DZ")):
            text = bare if printed is None else PRINTED.format(basis=printed, primitives=40)
            made = log([Job("# PBE1PBE/gen", [Step(NEAR, -49.1)])])
            (tmp_path / f"{name}.log").write_text(made.replace(" SCF Done", text + " SCF Done", 1))
        sets = read_sets(tmp_path)
        assert [len(item) for item in sets] == [1, 2, 1]
        assert any("1 of 4 logs don't print their general basis" in remark for remark in sets[0].remarks)


TWO_STEPS = [Job("# PBE1PBE/3-21G opt", [Step(FAR, -48.9, {}, FORCES), Step(NEAR, -49.1, {}, FORCES / 10)])]


class TestDamage:
    def test_a_damaged_energy_is_not_passed_over(self, read):
        with pytest.raises(InputError, match="a damaged line 'SCF Done'"):
            read(TWO_STEPS, change=lambda text: text.replace("-49.1000000000", "-49.1#00000000"))

    @pytest.mark.parametrize("kinds", [("Input", "Input"), ("Standard", "Input"), ("Input", "Standard")])
    @pytest.mark.parametrize("geometry", ["first", "last"])
    def test_an_energy_whose_line_is_damaged_is_noticed_in_any_frame(self, read, kinds, geometry):
        steps = [Step(FAR, -48.9, kind=kinds[0]), Step(NEAR, -49.1, kind=kinds[1])]
        energy = f"{steps[geometry == 'last'].energy:.10f}"
        one, two = [Job("# PBE1PBE/3-21G opt", steps)], [Job("# PBE1PBE/3-21G", [step]) for step in steps]

        def change(by):
            return lambda text: "\n".join(by(line) if energy in line else line for line in text.split("\n"))

        for jobs in (one, two):
            with pytest.raises(InputError, match="a damaged line 'SCF Done'"):
                read(jobs, geometry, change(lambda line: line.replace("Done", "D#ne")))
        with pytest.raises(InputError, match="a geometry whose SCF energy is missing"):
            read(one, geometry, change(lambda line: ""))

    def test_a_lost_energy_is_noticed(self, read):
        lost = {"change": lambda text: "\n".join(line for line in text.split("\n") if "-49.1000" not in line)}
        with pytest.raises(InputError, match="a geometry whose SCF energy is missing"):
            read(TWO_STEPS, **lost)

    def test_an_energy_damaged_together_with_the_last_line_is_no_log_cut_short(self, read):
        steps = [Step(FAR, SCF, {"MP2": MP2}), Step(NEAR, SCF - 0.1, {"MP2": MP2 - 0.1})]

        def damage(text: str) -> str:
            at = text.rindex("EUMP2")
            return text[:at] + "EU#P2" + text[at + 5 :].replace("Normal termination", "Normal#termination")

        with pytest.raises(InputError, match="has no MP2 energy"):
            read([Job("# MP2/STO-3G opt", steps, "RHF")], change=damage)
        cut = read([Job("# MP2/STO-3G opt", steps, "RHF")], change=lambda text: text[: text.rindex(" E2 =")])
        assert (cut.energy, cut.ended) == (pytest.approx(MP2), False)

    def test_a_damaged_geometry_is_not_replaced_by_another(self, read):
        with pytest.raises(InputError, match="a damaged table of positions"):
            read(TWO_STEPS, change=lambda text: text.replace("1.600000 ", "1.6x0000 "))

    def test_damaged_forces_are_left_out(self, read):
        found = read(TWO_STEPS, change=lambda text: text.replace("0.001000000", "***********"))
        assert found.forces is None
        assert found.energy == pytest.approx(-49.1)

    @pytest.mark.parametrize(("number", "message"), [(0, "ghost atoms"), (-2, "periodic")])
    def test_what_is_no_cluster(self, tmp_path, number, message):
        (tmp_path / "x.log").write_text(log([Job("# HF/STO-3G", [Step(NEAR, -49.0)], "RHF")], (5, number)))
        with pytest.raises(InputError, match=message):
            read_gaussian(tmp_path / "x.log")


class TestFolders:
    def test_a_neutral_and_an_anion_are_two_sets(self, tmp_path):
        for name, charge, multiplicity, label in (("a", 0, 1, "R"), ("b", 0, 1, "R"), ("c", -1, 2, "U")):
            job = Job("# PBE1PBE/3-21G", [Step(NEAR, -49.1 + charge)], f"{label}PBE1PBE", charge, multiplicity)
            (tmp_path / f"{name}.log").write_text(log([job]))
        neutral, anion = read_sets(tmp_path)
        assert (len(neutral), neutral.charge, neutral.multiplicity, neutral.level) == (2, 0, 1, "PBE1PBE/3-21G")
        assert (len(anion), anion.charge, anion.multiplicity) == (1, -1, 2)
        assert anion.name.endswith(":B2, charge -1, multiplicity 2")

    def test_levels_are_never_mixed(self, tmp_path):
        for name, route in (("a", "# PBE1PBE/3-21G"), ("b", "# PBE1PBE/def2SVP"), ("c", "# pbe1pbe 3-21g")):
            (tmp_path / f"{name}.log").write_text(log([Job(route, [Step(NEAR, -49.1)])]))
        assert [(item.level, len(item)) for item in read_sets(tmp_path)] == [
            ("PBE1PBE/3-21G", 2),
            ("PBE1PBE/DEF2SVP", 1),
        ]

    def test_capitals_and_one_bad_log(self, tmp_path):
        for name in ("A.LOG", "B.Out", "c.log"):
            (tmp_path / name).write_text(log([Job("# PBE1PBE/3-21G", [Step(NEAR, -49.1)])]))
        (tmp_path / "bad.log").write_text(" Entering Gaussian System\n # HF/STO-3G\n")
        (tmp_path / "orca.out").write_text("an output of another program\n")
        (tmp_path / "input.gjf").write_text("#P PBE1PBE/3-21G\n")
        found = read_path(tmp_path)
        assert [len(item) for item in found.sets] == [3]
        assert sorted(path.name for path, _ in found.unread) == ["bad.log", "orca.out"]
        assert "perhaps no Gaussian log" in dict((path.name, why) for path, why in found.unread)["orca.out"]
        assert "1 file(s) of other kinds were not looked at (.gjf)" in found.notes()

    def test_electrons_that_do_not_fit(self, tmp_path):
        (tmp_path / "x.log").write_text(log([Job("# HF/STO-3G", [Step(NEAR, -49.0)], "RHF", -1, 1)]))
        with pytest.raises(InputError, match="multiplicity 1 is impossible for B2 with charge -1"):
            read_sets(tmp_path / "x.log")
