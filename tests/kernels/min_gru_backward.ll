; ModuleID = "kernel"
target triple = "unknown-unknown-unknown"
target datalayout = ""

define void @"run"(ptr %".1", i64 %".2", i64 %".3")
{
.5:
  %".6" = getelementptr i64, ptr %".1", i64 0
  %".7" = load i64, ptr %".6"
  %".8" = getelementptr i64, ptr %".1", i64 1
  %".9" = load i64, ptr %".8"
  %".10" = getelementptr i64, ptr %".1", i64 2
  %".11" = load i64, ptr %".10"
  %".12" = getelementptr i64, ptr %".1", i64 3
  %".13" = load i64, ptr %".12"
  %".14" = getelementptr i64, ptr %".1", i64 4
  %".15" = load i64, ptr %".14"
  %".16" = getelementptr i64, ptr %".1", i64 5
  %".17" = load i64, ptr %".16"
  %".18" = getelementptr i64, ptr %".1", i64 6
  %".19" = load i64, ptr %".18"
  %".20" = getelementptr i64, ptr %".1", i64 7
  %".21" = load i64, ptr %".20"
  %".22" = getelementptr i64, ptr %".1", i64 8
  %".23" = load i64, ptr %".22"
  %".24" = inttoptr i64 %".23" to ptr
  %".25" = getelementptr i64, ptr %".1", i64 9
  %".26" = load i64, ptr %".25"
  %".27" = inttoptr i64 %".26" to ptr
  %".28" = getelementptr i64, ptr %".1", i64 10
  %".29" = load i64, ptr %".28"
  %".30" = inttoptr i64 %".29" to ptr
  %".31" = getelementptr i64, ptr %".1", i64 11
  %".32" = load i64, ptr %".31"
  %".33" = inttoptr i64 %".32" to ptr
  %".34" = getelementptr i64, ptr %".1", i64 12
  %".35" = load i64, ptr %".34"
  %".36" = inttoptr i64 %".35" to ptr
  %".37" = getelementptr i64, ptr %".1", i64 13
  %".38" = load i64, ptr %".37"
  %".39" = inttoptr i64 %".38" to ptr
  %".40" = getelementptr i64, ptr %".1", i64 14
  %".41" = load i64, ptr %".40"
  %".42" = inttoptr i64 %".41" to ptr
  %".43" = getelementptr i64, ptr %".1", i64 15
  %".44" = load i64, ptr %".43"
  %".45" = inttoptr i64 %".44" to ptr
  %".46" = inttoptr i64 %".9" to ptr
  %".47" = inttoptr i64 %".11" to ptr
  br label %"head"
head:
  %".49" = phi  i64 [%".2", %".5"], [%".242", %"end.1"]
  %".50" = icmp slt i64 %".49", %".7"
  br i1 %".50", label %"body", label %"end"
body:
  %".52" = mul i64 %".49", 4
  %".53" = getelementptr i64, ptr %".46", i64 %".52"
  %".54" = load i64, ptr %".53"
  %".55" = add i64 %".52", 1
  %".56" = getelementptr i64, ptr %".46", i64 %".55"
  %".57" = load i64, ptr %".56"
  %".58" = add i64 %".52", 2
  %".59" = getelementptr i64, ptr %".46", i64 %".58"
  %".60" = load i64, ptr %".59"
  %".61" = inttoptr i64 %".60" to ptr
  br label %"head.1"
end:
  ret void
head.1:
  %".63" = phi  i64 [0, %"body"], [%".240", %"end.2"]
  %".64" = icmp slt i64 %".63", %".57"
  br i1 %".64", label %"body.1", label %"end.1"
body.1:
  %".66" = sub i64 %".57", 1
  %".67" = sub i64 %".66", %".63"
  %".68" = getelementptr i64, ptr %".61", i64 %".67"
  %".69" = load i64, ptr %".68"
  %".70" = mul i64 %".67", %".13"
  %".71" = and i64 %".67", 1
  %".72" = xor i64 %".71", 1
  %".73" = mul i64 %".72", %".19"
  %".74" = mul i64 %".71", %".19"
  br label %"head.2"
end.1:
  %".242" = add i64 %".49", %".3"
  br label %"head"
head.2:
  %".76" = phi  i64 [0, %"body.1"], [%".238", %"end.3"]
  %".77" = icmp slt i64 %".76", 1
  br i1 %".77", label %"body.2", label %"end.2"
body.2:
  %".79" = mul i64 %".76", 2
  %".80" = sub i64 1, %".79"
  %".81" = icmp slt i64 %".80", 2
  %".82" = select  i1 %".81", i64 %".80", i64 2
  br label %"head.3"
end.2:
  %".240" = add i64 %".63", 1
  br label %"head.1"
head.3:
  %".84" = phi  i64 [0, %"body.2"], [%".236", %"end.4.endif"]
  %".85" = icmp slt i64 %".84", %".69"
  br i1 %".85", label %"body.3", label %"end.3"
body.3:
  %".87" = add i64 %".54", %".84"
  %".88" = getelementptr i64, ptr %".47", i64 %".87"
  %".89" = load i64, ptr %".88"
  %".90" = add i64 %".89", %".70"
  %".91" = mul i64 %".90", 5
  %".92" = getelementptr float, ptr %".27", i64 %".91"
  %".93" = add i64 %".54", %".84"
  %".94" = add i64 %".93", %".73"
  %".95" = mul i64 %".94", 5
  %".96" = getelementptr float, ptr %".24", i64 %".95"
  %".97" = add i64 %".54", %".84"
  %".98" = getelementptr i64, ptr %".47", i64 %".97"
  %".99" = load i64, ptr %".98"
  %".100" = add i64 %".99", %".70"
  %".101" = mul i64 %".100", 5
  %".102" = getelementptr float, ptr %".36", i64 %".101"
  %".103" = add i64 %".54", %".84"
  %".104" = add i64 %".103", %".74"
  %".105" = mul i64 %".104", 5
  %".106" = getelementptr float, ptr %".24", i64 %".105"
  %".107" = add i64 %".54", %".84"
  %".108" = getelementptr i64, ptr %".47", i64 %".107"
  %".109" = load i64, ptr %".108"
  %".110" = add i64 %".109", %".70"
  %".111" = mul i64 %".110", 32
  %".112" = getelementptr float, ptr %".42", i64 %".111"
  %".113" = add i64 %".54", %".84"
  %".114" = getelementptr i64, ptr %".47", i64 %".113"
  %".115" = load i64, ptr %".114"
  %".116" = add i64 %".115", %".70"
  %".117" = add i64 %".116", %".15"
  %".118" = mul i64 %".117", 5
  %".119" = getelementptr float, ptr %".45", i64 %".118"
  %".120" = add i64 %".54", %".84"
  %".121" = getelementptr i64, ptr %".47", i64 %".120"
  %".122" = load i64, ptr %".121"
  %".123" = add i64 %".122", %".70"
  %".124" = mul i64 %".123", 10
  %".125" = getelementptr float, ptr %".30", i64 %".124"
  %".126" = mul i64 %".49", 10
  %".127" = getelementptr float, ptr %".33", i64 %".126"
  br label %"head.4"
end.3:
  %".238" = add i64 %".76", 1
  br label %"head.2"
head.4:
  %".129" = phi  i64 [0, %"body.3"], [%".182", %"body.4"]
  %".130" = icmp slt i64 %".129", %".82"
  br i1 %".130", label %"body.4", label %"end.4"
body.4:
  %".132" = add i64 %".79", %".129"
  %".133" = mul i64 %".132", 4
  %".134" = getelementptr float, ptr %".92", i64 0
  %".135" = getelementptr float, ptr %".134", i64 %".133"
  %".136" = load <4 x float>, ptr %".135", align 4
  %".137" = getelementptr float, ptr %".96", i64 0
  %".138" = getelementptr float, ptr %".137", i64 %".133"
  %".139" = load <4 x float>, ptr %".138", align 4
  %".140" = fadd <4 x float> %".136", %".139"
  %".141" = getelementptr float, ptr %".102", i64 0
  %".142" = getelementptr float, ptr %".141", i64 %".133"
  %".143" = load <4 x float>, ptr %".142", align 4
  %".144" = fsub <4 x float> <float 0x3ff0000000000000, float 0x3ff0000000000000, float 0x3ff0000000000000, float 0x3ff0000000000000>, %".143"
  %".145" = fmul <4 x float> %".140", %".144"
  %".146" = getelementptr float, ptr %".112", i64 5
  %".147" = getelementptr float, ptr %".146", i64 %".133"
  %".148" = load <4 x float>, ptr %".147", align 4
  %".149" = getelementptr float, ptr %".39", i64 5
  %".150" = getelementptr float, ptr %".149", i64 %".133"
  %".151" = load <4 x float>, ptr %".150", align 4
  %".152" = fadd <4 x float> %".148", %".151"
  %".153" = fmul <4 x float> %".140", %".152"
  %".154" = getelementptr float, ptr %".119", i64 0
  %".155" = getelementptr float, ptr %".154", i64 %".133"
  %".156" = load <4 x float>, ptr %".155", align 4
  %".157" = fmul <4 x float> %".140", %".156"
  %".158" = fneg <4 x float> %".157"
  %".159" = call <4 x float> @"llvm.fma.v4f32"(<4 x float> %".140", <4 x float> %".152", <4 x float> %".158")
  %".160" = fmul <4 x float> %".143", %".144"
  %".161" = fmul <4 x float> %".159", %".160"
  %".162" = fmul <4 x float> %".140", %".143"
  %".163" = getelementptr float, ptr %".106", i64 0
  %".164" = getelementptr float, ptr %".163", i64 %".133"
  store <4 x float> %".145", ptr %".164", align 4
  %".166" = getelementptr float, ptr %".125", i64 0
  %".167" = getelementptr float, ptr %".166", i64 %".133"
  store <4 x float> %".161", ptr %".167", align 4
  %".169" = getelementptr float, ptr %".125", i64 5
  %".170" = getelementptr float, ptr %".169", i64 %".133"
  store <4 x float> %".162", ptr %".170", align 4
  %".172" = getelementptr float, ptr %".127", i64 0
  %".173" = getelementptr float, ptr %".172", i64 %".133"
  %".174" = load <4 x float>, ptr %".173", align 4
  %".175" = fadd <4 x float> %".174", %".161"
  store <4 x float> %".175", ptr %".173", align 4
  %".177" = getelementptr float, ptr %".127", i64 5
  %".178" = getelementptr float, ptr %".177", i64 %".133"
  %".179" = load <4 x float>, ptr %".178", align 4
  %".180" = fadd <4 x float> %".179", %".162"
  store <4 x float> %".180", ptr %".178", align 4
  %".182" = add i64 %".129", 1
  br label %"head.4"
end.4:
  %".184" = icmp eq i64 %".76", 0
  br i1 %".184", label %"end.4.if", label %"end.4.endif"
end.4.if:
  %".186" = mul i64 1, 4
  %".187" = getelementptr float, ptr %".92", i64 0
  %".188" = getelementptr float, ptr %".187", i64 %".186"
  %".189" = call <4 x float> @"llvm.masked.load.v4f32.p0"(ptr %".188", i32 4, <4 x i1> <i1 true, i1 false, i1 false, i1 false>, <4 x float> <float              0x0, float              0x0, float              0x0, float              0x0>)
  %".190" = getelementptr float, ptr %".96", i64 0
  %".191" = getelementptr float, ptr %".190", i64 %".186"
  %".192" = call <4 x float> @"llvm.masked.load.v4f32.p0"(ptr %".191", i32 4, <4 x i1> <i1 true, i1 false, i1 false, i1 false>, <4 x float> <float              0x0, float              0x0, float              0x0, float              0x0>)
  %".193" = fadd <4 x float> %".189", %".192"
  %".194" = getelementptr float, ptr %".102", i64 0
  %".195" = getelementptr float, ptr %".194", i64 %".186"
  %".196" = call <4 x float> @"llvm.masked.load.v4f32.p0"(ptr %".195", i32 4, <4 x i1> <i1 true, i1 false, i1 false, i1 false>, <4 x float> <float              0x0, float              0x0, float              0x0, float              0x0>)
  %".197" = fsub <4 x float> <float 0x3ff0000000000000, float 0x3ff0000000000000, float 0x3ff0000000000000, float 0x3ff0000000000000>, %".196"
  %".198" = fmul <4 x float> %".193", %".197"
  %".199" = getelementptr float, ptr %".112", i64 5
  %".200" = getelementptr float, ptr %".199", i64 %".186"
  %".201" = call <4 x float> @"llvm.masked.load.v4f32.p0"(ptr %".200", i32 4, <4 x i1> <i1 true, i1 false, i1 false, i1 false>, <4 x float> <float              0x0, float              0x0, float              0x0, float              0x0>)
  %".202" = getelementptr float, ptr %".39", i64 5
  %".203" = getelementptr float, ptr %".202", i64 %".186"
  %".204" = call <4 x float> @"llvm.masked.load.v4f32.p0"(ptr %".203", i32 4, <4 x i1> <i1 true, i1 false, i1 false, i1 false>, <4 x float> <float              0x0, float              0x0, float              0x0, float              0x0>)
  %".205" = fadd <4 x float> %".201", %".204"
  %".206" = fmul <4 x float> %".193", %".205"
  %".207" = getelementptr float, ptr %".119", i64 0
  %".208" = getelementptr float, ptr %".207", i64 %".186"
  %".209" = call <4 x float> @"llvm.masked.load.v4f32.p0"(ptr %".208", i32 4, <4 x i1> <i1 true, i1 false, i1 false, i1 false>, <4 x float> <float              0x0, float              0x0, float              0x0, float              0x0>)
  %".210" = fmul <4 x float> %".193", %".209"
  %".211" = fneg <4 x float> %".210"
  %".212" = call <4 x float> @"llvm.fma.v4f32"(<4 x float> %".193", <4 x float> %".205", <4 x float> %".211")
  %".213" = fmul <4 x float> %".196", %".197"
  %".214" = fmul <4 x float> %".212", %".213"
  %".215" = fmul <4 x float> %".193", %".196"
  %".216" = getelementptr float, ptr %".106", i64 0
  %".217" = getelementptr float, ptr %".216", i64 %".186"
  call void @"llvm.masked.store.v4f32.p0"(<4 x float> %".198", ptr %".217", i32 4, <4 x i1> <i1 true, i1 false, i1 false, i1 false>)
  %".219" = getelementptr float, ptr %".125", i64 0
  %".220" = getelementptr float, ptr %".219", i64 %".186"
  call void @"llvm.masked.store.v4f32.p0"(<4 x float> %".214", ptr %".220", i32 4, <4 x i1> <i1 true, i1 false, i1 false, i1 false>)
  %".222" = getelementptr float, ptr %".125", i64 5
  %".223" = getelementptr float, ptr %".222", i64 %".186"
  call void @"llvm.masked.store.v4f32.p0"(<4 x float> %".215", ptr %".223", i32 4, <4 x i1> <i1 true, i1 false, i1 false, i1 false>)
  %".225" = getelementptr float, ptr %".127", i64 0
  %".226" = getelementptr float, ptr %".225", i64 %".186"
  %".227" = call <4 x float> @"llvm.masked.load.v4f32.p0"(ptr %".226", i32 4, <4 x i1> <i1 true, i1 false, i1 false, i1 false>, <4 x float> <float              0x0, float              0x0, float              0x0, float              0x0>)
  %".228" = fadd <4 x float> %".227", %".214"
  call void @"llvm.masked.store.v4f32.p0"(<4 x float> %".228", ptr %".226", i32 4, <4 x i1> <i1 true, i1 false, i1 false, i1 false>)
  %".230" = getelementptr float, ptr %".127", i64 5
  %".231" = getelementptr float, ptr %".230", i64 %".186"
  %".232" = call <4 x float> @"llvm.masked.load.v4f32.p0"(ptr %".231", i32 4, <4 x i1> <i1 true, i1 false, i1 false, i1 false>, <4 x float> <float              0x0, float              0x0, float              0x0, float              0x0>)
  %".233" = fadd <4 x float> %".232", %".215"
  call void @"llvm.masked.store.v4f32.p0"(<4 x float> %".233", ptr %".231", i32 4, <4 x i1> <i1 true, i1 false, i1 false, i1 false>)
  br label %"end.4.endif"
end.4.endif:
  %".236" = add i64 %".84", 1
  br label %"head.3"
}

declare <4 x float> @"llvm.fma.v4f32"(<4 x float> %".1", <4 x float> %".2", <4 x float> %".3")

declare <4 x float> @"llvm.masked.load.v4f32.p0"(ptr %".1", i32 %".2", <4 x i1> %".3", <4 x float> %".4")

declare void @"llvm.masked.store.v4f32.p0"(<4 x float> %".1", ptr %".2", i32 %".3", <4 x i1> %".4")
